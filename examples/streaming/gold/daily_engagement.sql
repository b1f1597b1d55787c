-- What was watched, by day, country and device. Of the events' rows, and no others.
SELECT
    event_date,
    country,
    device,
    count(DISTINCT customer_id) AS viewers,
    count(DISTINCT title_id) AS titles,
    count(*) AS events,
    count(CASE WHEN event_type = 'play' THEN 1 END) AS plays,
    count(CASE WHEN event_type = 'complete' THEN 1 END) AS completions,
    coalesce(sum(watched_seconds), 0) AS watched_seconds
FROM viewing_events
GROUP BY event_date, country, device
