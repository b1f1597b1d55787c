-- Who accessed data or evidence from another account, or without one?
--
-- @severity critical
-- @why Data that leaves the account is out of reach of all that protects it here.
-- @runbook other-account
-- @false_positives A principal of another account that the bucket's policy names.
SELECT
    'other-account' AS rule,
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
    AND is_foreign
    AND error_code IS NULL
