"""Lambda functions that really run: the deployed zip, in its own warm process, with its role."""
