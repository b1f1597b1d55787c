-- Did somebody purge or delete a queue of the kit, or try to?
--
-- @severity critical
-- @why A message may be the only record of a write.
-- @runbook queue-purged
-- @false_positives None: a message may be the only record of a write.
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
    AND event_name IN ('DeleteQueue', 'PurgeQueue')
    AND strpos(subject, ${prefix}) > 0
