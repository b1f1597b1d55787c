-- Did somebody change policy, ownership, versioning, lifecycle or encryption of a bucket of data, or try to?
--
-- @severity high
-- @why These settings are what keeps data private, and old versions of it restorable.
-- @runbook data-bucket-changed
-- @false_positives A deployment that changes the bucket.
SELECT
    'data-bucket-changed' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_category = 'Management'
    AND layer IN ('bronze', 'gold', 'silver')
    AND (
        event_name IN ('DeleteBucket', 'PutBucketAcl', 'PutBucketVersioning')
        OR regexp_like(
            event_name, '^(Delete|Put)Bucket(Encryption|Lifecycle|Object|Ownership|Policy|Public|Replication)'
        )
    )
