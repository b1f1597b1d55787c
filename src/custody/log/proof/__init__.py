"""Proofs: evidence about one object version in one file, to be verified without this kit and without AWS."""
