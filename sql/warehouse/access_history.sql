-- Who read or changed a gold table or the load history in the last 30 days, other than by a load?
-- Left out are the loads that the history has, by their tag and the two hours before: anybody who signs in as the
-- loader can give himself a tag.
-- @severity high
-- @why Only what loads have put into a target is backed by receipts.
-- @runbook warehouse-access-history
-- @false_positives The owner of the schema, after a contract changed; a load that failed and was undone.
-- @finds access = 'change'
-- @time query_start_time
-- @subject object_name
-- @principal user_name
-- @detail concat_ws(' ', query_type, coalesce(role_name, ''), coalesce(query_tag, ''))
-- @evidence query_id
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
LEFT JOIN ${name}.gold.custody_loads AS loads
    ON
        touched.user_name = '${name}_LOADER'
        AND queries.query_tag = concat('custody warehouse load ', lower(loads.table_name), '@', loads.delta_version)
        AND touched.query_start_time >= dateadd('hour', -2, loads.loaded_at)
        AND touched.query_start_time <= dateadd('minute', 5, loads.loaded_at)
WHERE
    touched.query_start_time >= dateadd('day', -30, current_timestamp())
    AND touched.object_name LIKE '${name}.GOLD.%'
    AND loads.load_id IS NULL
ORDER BY touched.query_start_time DESC
