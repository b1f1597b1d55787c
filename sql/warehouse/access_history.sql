-- Who read or changed a gold table or the load history in the last 30 days? The loads of the loader are left out.
WITH touched AS (
    SELECT
        history.query_id,
        history.query_start_time,
        history.user_name,
        object.value:"objectName"::varchar AS object_name,
        'read' AS access
    FROM snowflake.account_usage.access_history AS history,
        LATERAL flatten(input => history.base_objects_accessed) AS object
    UNION ALL
    SELECT
        history.query_id,
        history.query_start_time,
        history.user_name,
        object.value:"objectName"::varchar AS object_name,
        'change' AS access
    FROM snowflake.account_usage.access_history AS history,
        LATERAL flatten(input => history.objects_modified) AS object
)

SELECT
    touched.query_start_time,
    touched.user_name,
    queries.role_name,
    touched.access,
    touched.object_name,
    queries.query_type,
    queries.query_tag,
    touched.query_id
FROM touched
INNER JOIN snowflake.account_usage.query_history AS queries ON touched.query_id = queries.query_id
WHERE
    touched.query_start_time >= dateadd('day', -30, current_timestamp())
    AND touched.object_name LIKE '${name}.GOLD.%'
    AND NOT (touched.user_name = '${name}_LOADER' AND queries.query_tag LIKE 'custody warehouse load %')
ORDER BY touched.query_start_time DESC
