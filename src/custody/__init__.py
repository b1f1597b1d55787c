"""A provable chain of custody for objects in Amazon S3: hashed, signed, recorded, verified."""

__version__ = "0.2.0.dev0"
