-- What each customer spent and watched; one row a customer, with or without events.
-- Days and titles are counted in two steps, so that no engine keeps a set for each customer.
WITH watched AS (
    SELECT
        customer_id,
        sum(watched_seconds) AS watched_seconds,
        min(event_date) AS first_event_date,
        max(event_date) AS last_event_date
    FROM viewing_events
    GROUP BY customer_id
),

days AS (
    SELECT
        customer_id,
        count(*) AS active_days
    FROM (
        SELECT DISTINCT
            customer_id,
            event_date
        FROM viewing_events
    ) AS active
    GROUP BY customer_id
),

played AS (
    SELECT
        customer_id,
        count(*) AS titles
    FROM (
        SELECT DISTINCT
            customer_id,
            title_id
        FROM viewing_events
    ) AS title
    GROUP BY customer_id
)

SELECT
    customers.customer_id,
    customers.country,
    customers.signup_date,
    customers.is_premium,
    customers.total_orders,
    customers.total_spent_usd,
    coalesce(days.active_days, 0) AS active_days,
    coalesce(played.titles, 0) AS titles,
    coalesce(watched.watched_seconds, 0) AS watched_seconds,
    watched.first_event_date,
    watched.last_event_date,
    CASE
        WHEN customers.total_spent_usd >= 1000 THEN 'high'
        WHEN customers.total_spent_usd >= 100 THEN 'medium'
        WHEN customers.total_spent_usd > 0 THEN 'low'
        ELSE 'none'
    END AS segment
FROM customers
LEFT JOIN watched ON customers.customer_id = watched.customer_id
LEFT JOIN days ON customers.customer_id = days.customer_id
LEFT JOIN played ON customers.customer_id = played.customer_id
