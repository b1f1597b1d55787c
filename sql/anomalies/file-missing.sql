-- Which raw files that are expected regularly did not come in time?
-- One finding for each file that is due: expected_files says below which prefixes, every how many hours.
--
-- @severity high
-- @why Tables made of what came are silently incomplete.
-- @runbook file-missing
-- @false_positives A source that was paused: remove it from expected_files.
-- @history 35
WITH expected (prefix, hours) AS (
    ${expected_files}
),

arrivals AS (
    SELECT
        expected.prefix,
        expected.hours,
        receipts.written_at AS came_at,
        TRUE AS is_file
    FROM object_receipts AS receipts
    CROSS JOIN expected
    WHERE
        receipts.event_date BETWEEN ${history_day} AND ${last_day}
        AND receipts.layer = 'bronze'
        AND starts_with(receipts.object_key, expected.prefix)
    UNION ALL
    SELECT
        prefix,
        hours,
        ${until} - INTERVAL '${watermark_minutes}' MINUTE AS came_at,
        FALSE AS is_file
    FROM expected
),

steps AS (
    SELECT
        *,
        lag(came_at) OVER (PARTITION BY prefix ORDER BY came_at ASC, is_file DESC) AS came_before
    FROM arrivals
)

SELECT
    'file-missing' AS rule,
    date_add('hour', hours, coalesce(came_before, ${history})) AS event_time,
    prefix AS subject,
    cast(NULL AS varchar) AS principal,
    cast(NULL AS varchar) AS source_ip,
    concat(
        'expected every ',
        cast(hours AS varchar),
        ' hours; ',
        CASE WHEN is_file THEN concat('came late, at ', cast(came_at AS varchar)) ELSE 'has not come yet' END
    ) AS detail,
    prefix AS evidence
FROM steps
WHERE
    hours > 0
    AND came_at > date_add('hour', hours, coalesce(came_before, ${history}))
    AND came_at >= ${since}
    AND came_at < ${until}
