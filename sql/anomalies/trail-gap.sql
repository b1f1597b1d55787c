-- Was there a gap in the trail?
-- No record of any service for three whole hours. The last hours may still be on their way: watermark_minutes.
--
-- @severity high
-- @why What was done in the gap may be missing from the ledger.
-- @runbook trail-gap
-- @false_positives An account in which nothing is called for hours: the functions of the kit are called every hour.
-- @history 2
WITH hours AS (
    SELECT DISTINCT date_trunc('hour', event_time) AS hour_start
    FROM trail_calls
    WHERE
        ${history_window}
    UNION
    SELECT date_trunc('hour', ${until} - INTERVAL '${watermark_minutes}' MINUTE) AS hour_start
),

steps AS (
    SELECT
        hour_start,
        lag(hour_start) OVER (ORDER BY hour_start) AS hour_before
    FROM hours
)

SELECT
    'trail-gap' AS rule,
    hour_before AS event_time,
    'the trail' AS subject,
    cast(NULL AS varchar) AS principal,
    cast(NULL AS varchar) AS source_ip,
    concat('no record for ', cast(date_diff('hour', hour_before, hour_start) - 1 AS varchar), ' hours') AS detail,
    cast(hour_before AS varchar) AS evidence
FROM steps
WHERE
    hour_start > hour_before + INTERVAL '3' HOUR
    AND hour_start >= ${since}
