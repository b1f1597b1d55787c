"""What a change does to access and to data, in words: ``make review``."""
