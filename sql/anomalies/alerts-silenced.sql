-- Did somebody silence or overwrite alarms, rules or messages of the kit, or its dashboard, or try to?
-- Every deployment puts what it has changed: putting counts only by somebody else, and under a name of the kit.
--
-- @severity high
-- @why Whoever silences the alarms first is not seen in what comes next.
-- @runbook alerts-silenced
-- @false_positives A deployment that deletes or disables alarms; one by somebody who is not in operators.deploy.
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
    AND strpos(coalesce(request, ''), ${prefix}) > 0
    AND (
        event_name IN (
            'DeleteAlarms',
            'DeleteDashboards',
            'DeleteRule',
            'DeleteTopic',
            'DisableAlarmActions',
            'DisableRule',
            'PutAlarmMuteRule',
            'RemoveTargets',
            'SetAlarmState',
            'SetSubscriptionAttributes',
            'SetTopicAttributes',
            'Unsubscribe'
        )
        OR (
            event_name IN ('PutCompositeAlarm', 'PutDashboard', 'PutMetricAlarm', 'PutRule', 'PutTargets')
            AND starts_with(subject, ${prefix})
            AND NOT ${is_deployer}
        )
    )
