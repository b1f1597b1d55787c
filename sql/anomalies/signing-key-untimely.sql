-- Was a signing key used outside its time?
-- AWS calls Sign a read-only event (AWS KMS Developer Guide, "Sign"): only a trail that logs management reads has it.
--
-- @severity critical
-- @why What a retired or revoked key signs is not to be trusted.
-- @runbook signing-key-untimely
-- @false_positives None: what the recorder had begun before the end of a key does not count.
SELECT
    'signing-key-untimely' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_source = 'kms.amazonaws.com'
    AND event_name = 'Sign'
    AND error_code IS NULL
    AND (${is_untimely})
