-- Did somebody change which events the trail logs, or where it delivers them, or try to?
--
-- @severity high
-- @why What the trail does not log or does not deliver is unseen by the ledger and by these rules.
-- @runbook trail-narrowed
-- @false_positives A deployment that changes the trail.
SELECT
    'trail-narrowed' AS rule,
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
    AND event_name IN ('PutEventConfiguration', 'PutEventSelectors', 'UpdateTrail')
    AND subject IN (${trails})
