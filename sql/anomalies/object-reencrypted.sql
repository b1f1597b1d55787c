-- Did somebody change the encryption of a stored object, or try to?
--
-- @severity critical
-- @why An object under a key of somebody else is his to make unreadable.
-- @runbook object-reencrypted
-- @false_positives An operator who moves objects to another key: the bucket policies deny it.
SELECT
    'object-reencrypted' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND layer <> 'unknown'
    AND event_name = 'UpdateObjectEncryption'
