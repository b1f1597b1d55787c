-- Did somebody stop the kit's functions, or cut them off from their queues, or try to?
-- A deleted mapping is named by its id alone, so those of other functions count too.
--
-- @severity high
-- @why While the functions stand still, nothing is recorded, sealed or told.
-- @runbook function-stopped
-- @false_positives A deployment that changes functions, of the kit or others in the account.
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
    AND regexp_like(event_name, '^(DeleteEventSourceMapping|DeleteFunction|PutFunctionConcurrency)')
    AND (strpos(request, ${prefix}) > 0 OR starts_with(event_name, 'DeleteEventSourceMapping'))
