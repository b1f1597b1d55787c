-- Who was denied again and again, within an hour?
--
-- @severity medium
-- @why Whoever has stolen credentials tries out what they are good for.
-- @runbook denied-burst
-- @false_positives A job or a person whose permissions were just changed.
-- @at_least 10
SELECT
    'denied-burst' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND error_code IN (
        'AccessDenied',
        'AccessDeniedException',
        'AllAccessDisabled',
        'AuthorizationError',
        'Client.UnauthorizedOperation',
        'InvalidAccessKeyId',
        'SignatureDoesNotMatch',
        'UnauthorizedAccess'
    )
