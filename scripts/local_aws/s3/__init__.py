"""Amazon S3 in front of moto's: parsing, signatures, payloads, and S3's checks of requests."""
