"""Lambda functions that really run: the deployed zip, in a process of its own kept warm, as its role."""
