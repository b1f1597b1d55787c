-- Who accessed data or evidence from outside the trusted networks?
-- Only IPv4 addresses are compared, and not those of the kit's functions and jobs.
-- Without trusted_networks, nothing is reported.
--
-- @severity high
-- @why Data is read from where nobody of yours works.
-- @runbook untrusted-network
-- @false_positives An office or provider that is not in trusted_networks yet.
SELECT
    'untrusted-network' AS rule,
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
    AND error_code IS NULL
    AND is_ipv4
    AND coalesce(role_arn, '') NOT IN (${service_roles})
    AND NOT (${is_trusted})
