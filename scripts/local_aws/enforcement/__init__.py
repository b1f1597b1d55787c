"""Policies of identities, boundaries and resources decide every call, if the local AWS is started so.

``actions`` says what a call needs, ``policies`` which policies apply just now, ``authority`` decides and
counts, ``calls`` asks it for all services but S3, which asks it in ``patches/s3_bucket_policy``.
"""
