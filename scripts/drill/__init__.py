"""Drills: scripted attacks on a running deployment, and whether somebody is told of each."""
