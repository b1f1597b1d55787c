-- Did somebody change who may access a bucket of evidence, or try to?
--
-- @severity critical
-- @why Whoever may write there can forge, and whoever may read there sees every object's name.
-- @runbook evidence-opened
-- @false_positives A deployment that changes the bucket policy.
SELECT
    'evidence-opened' AS rule,
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
        'DeleteBucketOwnershipControls',
        'DeleteBucketPolicy',
        'DeleteBucketPublicAccessBlock',
        'PutBucketAcl',
        'PutBucketOwnershipControls',
        'PutBucketPolicy',
        'PutBucketPublicAccessBlock'
    )
