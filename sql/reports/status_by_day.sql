-- How many writes of each of the last 30 days have which status, by layer?
SELECT
    event_date,
    layer,
    count(*) AS writes,
    count_if(status = 'verified') AS verified,
    count_if(status = 'late') AS late,
    count_if(status = 'mismatch') AS mismatch,
    count_if(status = 'pending') AS pending,
    count_if(status = 'unprovenanced') AS unprovenanced,
    count_if(status = 'unwitnessed') AS unwitnessed,
    count_if(status = 'untracked') AS untracked
FROM provenance_ledger
WHERE event_date >= current_date - INTERVAL '30' DAY
GROUP BY event_date, layer
ORDER BY event_date DESC, layer ASC
