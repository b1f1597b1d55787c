"""Amazon S3 in front of moto's: one reading of a request, its signer, its payload, and what S3 refuses."""
