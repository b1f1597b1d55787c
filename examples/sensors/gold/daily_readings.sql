-- What each device measured, by day.
SELECT
    reading_date,
    device_id,
    count(*) AS readings,
    min(celsius) AS coldest,
    max(celsius) AS warmest
FROM readings
GROUP BY reading_date, device_id
