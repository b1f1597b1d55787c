-- What was deleted in the last 30 days, by whom, and which versions are gone for good (version_id asked for)?
SELECT
    event_time,
    layer,
    bucket_name,
    object_key,
    version_id,
    user_name,
    user_arn,
    invoked_by,
    source_ip,
    error_code
FROM object_access
WHERE
    event_date >= current_date - INTERVAL '30' DAY
    AND access = 'delete'
ORDER BY event_time DESC, bucket_name ASC, object_key ASC
