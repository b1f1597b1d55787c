-- Did somebody stop or delete the trail, or try to?
--
-- @severity critical
-- @why What is done while the trail does not log leaves no record.
-- @runbook trail-stopped
-- @false_positives None: nobody stops it in normal operation.
SELECT
    'trail-stopped' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_source = 'cloudtrail.amazonaws.com'
    AND event_name IN ('DeleteTrail', 'StopLogging')
    AND subject IN (${trails})
