-- On which days came far more or far fewer raw objects below a prefix than usual on that weekday?
-- By the receipts: more than three times the most, or less than a third of the fewest, of the four weeks before.
-- A prefix is a key's first two folders. Says nothing of a prefix without those four weeks.
--
-- @severity medium
-- @why A source has failed, delivers twice, or somebody floods the pipeline.
-- @runbook volume-unusual
-- @false_positives Holidays, backlogs, new sources.
-- @history 30
WITH arrivals AS (
    SELECT
        event_date,
        bucket_name,
        nullif(regexp_extract(object_key, '^([^/]+/(?:[^/]+/)?)', 1), '') AS folder,
        count(*) AS object_count
    FROM object_receipts
    WHERE
        event_date BETWEEN ${history_day} AND ${last_day}
        AND layer = 'bronze'
    GROUP BY 1, 2, 3
),

-- A day counts for itself, and as the usual of the same weekday in each of the next four weeks.
judged AS (
    SELECT
        arrivals.bucket_name,
        arrivals.folder,
        date_add('day', later.days_on, arrivals.event_date) AS judged_day,
        sum(CASE WHEN later.days_on = 0 THEN arrivals.object_count ELSE 0 END) AS object_count,
        count_if(later.days_on > 0) AS weeks,
        min(CASE WHEN later.days_on > 0 THEN arrivals.object_count END) AS fewest,
        max(CASE WHEN later.days_on > 0 THEN arrivals.object_count END) AS most
    FROM arrivals
    CROSS JOIN UNNEST(ARRAY[0, 7, 14, 21, 28]) AS later (days_on)
    GROUP BY 1, 2, 3
)

SELECT
    'volume-unusual' AS rule,
    cast(judged_day AS timestamp) AS event_time,
    concat('s3://', bucket_name, '/', folder) AS subject,
    cast(NULL AS varchar) AS principal,
    cast(NULL AS varchar) AS source_ip,
    concat(
        cast(object_count AS varchar),
        ' objects; on that weekday usually ',
        cast(fewest AS varchar),
        ' to ',
        cast(most AS varchar)
    ) AS detail,
    cast(judged_day AS varchar) AS evidence
FROM judged
WHERE
    weeks = 4
    AND (
        (object_count > 3 * most AND object_count >= most + 10)
        OR (3 * object_count < fewest AND object_count <= fewest - 3)
    )
    -- The day is over, and its receipts are sealed.
    AND cast(judged_day AS timestamp) + INTERVAL '1' DAY + INTERVAL '${watermark_minutes}' MINUTE >= ${since}
    AND cast(judged_day AS timestamp) + INTERVAL '1' DAY + INTERVAL '${watermark_minutes}' MINUTE < ${until}
