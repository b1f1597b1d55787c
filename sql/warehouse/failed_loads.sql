-- Which statements of loads failed in the last 7 days, why, and did a later load of the same table and version succeed?
-- @severity medium
-- @why The table in Snowflake is older than the gold table.
-- @runbook warehouse-failed-loads
-- @false_positives A load that another one was quicker than; a version that a newer one has replaced.
-- @finds loaded_at IS NULL
-- @time start_time
-- @subject coalesce(nullif(query_tag, ''), 'a statement without a tag')
-- @principal ''
-- @detail concat_ws(' ', query_type, 'failed with error', coalesce(to_varchar(error_code), 'of no number'))
-- @evidence query_id
SELECT
    failed.start_time,
    failed.query_tag,
    failed.query_id,
    failed.query_type,
    failed.error_code,
    failed.error_message,
    max(loads.loaded_at) AS loaded_at
FROM snowflake.account_usage.query_history AS failed
LEFT JOIN ${name}.gold.custody_loads AS loads
    ON
        failed.query_tag = concat('custody warehouse load ', lower(loads.table_name), '@', loads.delta_version)
        AND failed.start_time <= loads.loaded_at
WHERE
    failed.user_name = '${name}_LOADER'
    AND failed.execution_status = 'FAIL'
    AND failed.start_time >= dateadd('day', -7, current_timestamp())
GROUP BY ALL
ORDER BY failed.start_time DESC
