"""The effects of a change on access and data, in words: ``make review``."""
