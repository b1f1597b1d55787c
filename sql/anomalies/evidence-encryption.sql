-- Did somebody change the default encryption of a bucket of evidence, or try to?
--
-- @severity critical
-- @why Evidence under another key can be made unreadable by whoever has that key.
-- @runbook evidence-encryption
-- @false_positives A deployment that changes the key.
SELECT
    'evidence-encryption' AS rule,
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
    AND event_name IN ('DeleteBucketEncryption', 'PutBucketEncryption')
