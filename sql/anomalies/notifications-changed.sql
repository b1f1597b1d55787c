-- Did somebody change what a bucket notifies of new objects, or try to?
--
-- @severity high
-- @why Without notifications, nothing new is recorded or sealed.
-- @runbook notifications-changed
-- @false_positives A deployment that changes the notifications.
SELECT
    'notifications-changed' AS rule,
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
    AND event_name IN ('PutBucketNotification', 'PutBucketNotificationConfiguration')
