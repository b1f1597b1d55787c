-- Which statements of the last 7 days took longest in the warehouse of the loads, and what did they wait for?
-- @severity low
-- @why A statement is ended after an hour, and the load with it.
-- @runbook warehouse-slow-queries
-- @false_positives A first load of a large table.
-- @finds seconds > 1800
-- @time start_time
-- @subject coalesce(nullif(query_tag, ''), 'a statement without a tag')
-- @principal user_name
-- @detail concat_ws(' ', query_type, to_varchar(seconds), 'seconds')
-- @evidence query_id
SELECT
    query_id,
    query_tag,
    user_name,
    query_type,
    start_time,
    total_elapsed_time / 1000 AS seconds,
    queued_overload_time / 1000 AS queued_seconds,
    transaction_blocked_time / 1000 AS blocked_seconds,
    bytes_spilled_to_local_storage + bytes_spilled_to_remote_storage AS bytes_spilled,
    rows_inserted,
    rows_updated
FROM snowflake.account_usage.query_history
WHERE
    warehouse_name = '${name}_LOAD'
    AND start_time >= dateadd('day', -7, current_timestamp())
ORDER BY total_elapsed_time DESC
LIMIT 50
