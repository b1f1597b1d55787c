-- How long did receipts take on each of the last 30 days?
SELECT
    event_date,
    count(*) AS receipts,
    count_if(status = 'late') AS late,
    avg(date_diff('second', event_time, recorded_at)) AS mean_seconds,
    max(date_diff('second', event_time, recorded_at)) AS longest_seconds
FROM provenance_ledger
WHERE
    event_date >= current_date - INTERVAL '30' DAY
    AND recorded_at IS NOT NULL
    AND match_basis IN ('request_id', 'version_id')
GROUP BY event_date
ORDER BY event_date DESC
