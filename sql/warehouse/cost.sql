-- What did the loads of the last 30 days cost, by day, in credits, and how many statements were they?
-- A day is told of when it is over.
-- @severity low
-- @why The warehouse stops, and nothing is loaded, when the 20 credits of the month are spent.
-- @runbook warehouse-cost
-- @false_positives A first load, or a contract that changed: all is copied once.
-- @finds credits > 2
-- @time dateadd('day', 1, load_day)
-- @subject to_varchar(load_day::date)
-- @principal ''
-- @detail concat_ws(' ', to_varchar(credits), 'credits,', to_varchar(statements), 'statements')
-- @evidence to_varchar(load_day::date)
WITH credits AS (
    SELECT
        date_trunc('day', start_time) AS load_day,
        sum(credits_used) AS credits
    FROM snowflake.account_usage.warehouse_metering_history
    WHERE
        warehouse_name = '${name}_LOAD'
        AND start_time >= dateadd('day', -30, current_timestamp())
    GROUP BY load_day
),

statements AS (
    SELECT
        date_trunc('day', start_time) AS load_day,
        count(*) AS statements,
        sum(bytes_scanned) AS bytes_scanned
    FROM snowflake.account_usage.query_history
    WHERE
        warehouse_name = '${name}_LOAD'
        AND start_time >= dateadd('day', -30, current_timestamp())
    GROUP BY load_day
)

SELECT
    credits.load_day,
    credits.credits,
    coalesce(statements.statements, 0) AS statements,
    coalesce(statements.bytes_scanned, 0) AS bytes_scanned
FROM credits
LEFT JOIN statements ON credits.load_day = statements.load_day
ORDER BY credits.load_day DESC
