-- Did the root user of the account sign in, or touch data, evidence, keys or trail?
--
-- @severity critical
-- @why The root user can do everything, and no policy of the kit limits it.
-- @runbook root-used
-- @false_positives Tasks that only the root user can do, announced beforehand.
SELECT
    'root-used' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND user_type = 'Root'
    AND invoked_by IS NULL
    AND (
        layer <> 'unknown'
        OR event_name = 'ConsoleLogin'
        OR event_source IN ('cloudtrail.amazonaws.com', 'kms.amazonaws.com')
    )
