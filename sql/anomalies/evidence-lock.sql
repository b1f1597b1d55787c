-- Did somebody change lock, versioning or replication of a bucket of evidence, or try to delete it?
--
-- @severity critical
-- @why Without lock and versioning, evidence can be replaced or deleted.
-- @runbook evidence-lock
-- @false_positives A deployment that changes the retention.
SELECT
    'evidence-lock' AS rule,
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
    AND layer IN ('audit_log', 'provenance')
    AND event_name IN (
        'DeleteBucket',
        'DeleteBucketReplication',
        'PutBucketObjectLockConfiguration',
        'PutBucketReplication',
        'PutBucketVersioning'
    )
