-- Who wrote into which layer in the last 30 days, and through which service?
SELECT
    layer,
    user_arn,
    user_name,
    invoked_by,
    count(*) AS writes,
    count_if(status = 'verified') AS verified,
    min(event_time) AS first_write,
    max(event_time) AS last_write
FROM provenance_ledger
WHERE event_date >= current_date - INTERVAL '30' DAY
GROUP BY layer, user_arn, user_name, invoked_by
ORDER BY layer ASC, writes DESC, user_arn ASC
