-- Did somebody change the server access logging of the kit's buckets, or try to?
--
-- @severity medium
-- @why Access logs are the second record of who read what, besides the trail.
-- @runbook access-log-changed
-- @false_positives A deployment that changes it.
SELECT
    'access-log-changed' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_category = 'Management'
    AND layer <> 'unknown'
    AND event_name = 'PutBucketLogging'
