-- Did somebody purge or delete a queue of the kit, or, without deploying, change one; or try to?
--
-- @severity critical
-- @why A message may be the only record of a write; changed, a queue takes none, or forgets them.
-- @runbook queue-purged
-- @false_positives One that changes a queue, by somebody not in operators.deploy; otherwise none.
SELECT
    'queue-purged' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_source = 'sqs.amazonaws.com'
    AND (
        event_name IN ('DeleteQueue', 'PurgeQueue')
        OR (event_name = 'SetQueueAttributes' AND NOT ${is_deployer})
    )
    AND strpos(subject, ${prefix}) > 0
