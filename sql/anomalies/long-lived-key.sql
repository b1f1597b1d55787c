-- Who accessed data or evidence with the long-lived access key of a user?
--
-- @severity medium
-- @why Such a key works from anywhere, without MFA, until somebody deletes it.
-- @runbook long-lived-key
-- @false_positives A producer that has no other way to sign in; give it a role.
SELECT
    'long-lived-key' AS rule,
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
    AND starts_with(access_key_id, 'AKIA')
    AND error_code IS NULL
