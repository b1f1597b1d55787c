-- Did somebody purge, delete or change a queue of the kit, or try to?
--
-- @severity critical
-- @why A message may be the only record of a write; changed, a queue takes none, or forgets them.
-- @runbook queue-purged
-- @false_positives A deployment that changes a queue; otherwise none.
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
    AND event_name IN ('DeleteQueue', 'PurgeQueue', 'SetQueueAttributes')
    AND strpos(subject, ${prefix}) > 0
