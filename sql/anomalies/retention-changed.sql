-- Did somebody change or bypass the lock of an object of evidence, or try to?
--
-- @severity critical
-- @why What is not locked can be deleted.
-- @runbook retention-changed
-- @false_positives None: the kit relies on the default retention of the bucket.
SELECT
    'retention-changed' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND layer IN ('audit_log', 'provenance')
    AND (
        event_name IN ('PutObjectLegalHold', 'PutObjectRetention')
        OR json_extract_scalar(request, '$["x-amz-bypass-governance-retention"]') = 'true'
    )
