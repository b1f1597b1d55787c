-- What did the loads of the last 30 days cost, by day, in credits, and how many statements were they?
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
