-- Did somebody silence alarms, rules or messages of the kit, or try to?
--
-- @severity high
-- @why Whoever silences the alarms first is not seen in what comes next.
-- @runbook alerts-silenced
-- @false_positives A deployment that changes alarms.
SELECT
    'alerts-silenced' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_source IN ('events.amazonaws.com', 'monitoring.amazonaws.com', 'sns.amazonaws.com')
    AND event_name IN (
        'DeleteAlarms',
        'DeleteRule',
        'DeleteTopic',
        'DisableAlarmActions',
        'DisableRule',
        'RemoveTargets',
        'SetSubscriptionAttributes',
        'SetTopicAttributes',
        'Unsubscribe'
    )
    AND strpos(coalesce(request, ''), ${prefix}) > 0
