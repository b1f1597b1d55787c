-- Did somebody stop the kit's functions, or cut them off from their queues, or try to?
-- A mapping is named by its id alone, so those of other functions count too. Every deployment gives functions new code
-- and settings: those count only by somebody else.
--
-- @severity high
-- @why While the functions stand still, nothing is recorded, sealed or told; with other code, anything is.
-- @runbook function-stopped
-- @false_positives A deployment that changes functions, of the kit or others; one by somebody not in operators.deploy.
SELECT
    'function-stopped' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_source = 'lambda.amazonaws.com'
    AND (
        regexp_like(event_name, '^(Delete|Update)EventSourceMapping')
        OR (
            strpos(coalesce(request, ''), ${prefix}) > 0
            AND (
                regexp_like(event_name, '^(DeleteFunction|PutFunctionConcurrency)')
                OR (regexp_like(event_name, '^(RemovePermission|UpdateFunction)') AND NOT ${is_deployer})
            )
        )
    )
