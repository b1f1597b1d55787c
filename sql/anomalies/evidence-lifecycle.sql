-- Did somebody change the lifecycle rules of a bucket of evidence, or try to?
--
-- @severity critical
-- @why A short rule makes logs vanish, and its deletions are not in the trail.
-- @runbook evidence-lifecycle
-- @false_positives A deployment that changes the retention.
SELECT
    'evidence-lifecycle' AS rule,
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
    AND event_name IN ('DeleteBucketLifecycle', 'PutBucketLifecycle', 'PutBucketLifecycleConfiguration')
