"""A provable chain of custody for objects in Amazon S3: hashed, signed, recorded, verified."""

__version__ = "0.1.0"
