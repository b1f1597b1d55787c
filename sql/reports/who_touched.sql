-- Who read, deleted or changed this object, or tried to, in the last 30 days? Put its bucket and key into asked.
-- what distinguishes two kinds of rows. "this object" is one call that names it. "batch in its bucket" counts the
-- calls of DeleteObjects in its bucket by one caller, at the time of the last: the trail does not log their keys, so
-- they may or may not include this object. Deletions by lifecycle rules are in neither.
WITH asked (bucket_name, object_key) AS (
    VALUES (${raw_data_bucket}, 'incoming/customers.csv')
),

touches AS (
    SELECT
        'this object' AS what,
        access.event_time,
        1 AS calls,
        access.access,
        access.event_name,
        access.deletion,
        access.version_id,
        access.caller,
        access.user_arn,
        access.invoked_by,
        access.source_ip,
        access.user_agent,
        access.bytes_out,
        access.error_code,
        access.event_id
    FROM object_access AS access
    INNER JOIN asked
        ON
            access.bucket_name = asked.bucket_name
            AND access.object_key = asked.object_key
    WHERE access.event_date >= current_date - INTERVAL '30' DAY
),

batches AS (
    SELECT
        'batch in its bucket' AS what,
        max(access.event_time) AS event_time,
        count(*) AS calls,
        'delete' AS access,
        'DeleteObjects' AS event_name,
        max(access.deletion) AS deletion,
        cast(NULL AS varchar) AS version_id,
        access.caller,
        access.user_arn,
        access.invoked_by,
        access.source_ip,
        cast(NULL AS varchar) AS user_agent,
        cast(NULL AS bigint) AS bytes_out,
        access.error_code,
        max(access.event_id) AS event_id
    FROM object_access AS access
    INNER JOIN asked ON access.bucket_name = asked.bucket_name
    WHERE
        access.event_date >= current_date - INTERVAL '30' DAY
        AND access.event_name = 'DeleteObjects'
        AND access.object_key IS NULL
    GROUP BY access.caller, access.user_arn, access.invoked_by, access.source_ip, access.error_code
)

SELECT
    what,
    event_time,
    calls,
    access,
    event_name,
    deletion,
    version_id,
    caller,
    user_arn,
    invoked_by,
    source_ip,
    user_agent,
    bytes_out,
    error_code,
    event_id
FROM touches
UNION ALL
SELECT
    what,
    event_time,
    calls,
    access,
    event_name,
    deletion,
    version_id,
    caller,
    user_arn,
    invoked_by,
    source_ip,
    user_agent,
    bytes_out,
    error_code,
    event_id
FROM batches
ORDER BY event_time DESC, event_id ASC
