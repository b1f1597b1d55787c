-- Who read, deleted or changed this object, or tried to, in the last 30 days? Put its bucket and key into asked.
WITH asked (bucket_name, object_key) AS (
    VALUES (${raw_data_bucket}, 'incoming/customers.csv')
)

SELECT
    touches.event_time,
    touches.access,
    touches.event_name,
    touches.version_id,
    touches.user_name,
    touches.user_arn,
    touches.invoked_by,
    touches.source_ip,
    touches.user_agent,
    touches.bytes_out,
    touches.error_code
FROM object_access AS touches
INNER JOIN asked
    ON
        touches.bucket_name = asked.bucket_name
        AND touches.object_key = asked.object_key
WHERE touches.event_date >= current_date - INTERVAL '30' DAY
ORDER BY touches.event_time DESC, touches.event_id ASC
