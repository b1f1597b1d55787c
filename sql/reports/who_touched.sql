-- Who read, deleted or changed this object, or tried to, in the last 30 days? Put its bucket and key into asked.
WITH asked (bucket_name, object_key) AS (
    VALUES (${raw_data_bucket}, 'incoming/customers.csv')
)

SELECT
    access.event_time,
    access.access,
    access.event_name,
    access.version_id,
    access.user_name,
    access.user_arn,
    access.invoked_by,
    access.source_ip,
    access.user_agent,
    access.bytes_out,
    access.error_code
FROM object_access AS access
INNER JOIN asked
    ON
        access.bucket_name = asked.bucket_name
        AND access.object_key = asked.object_key
WHERE access.event_date >= current_date - INTERVAL '30' DAY
ORDER BY access.event_time DESC, access.event_id
