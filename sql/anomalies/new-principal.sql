-- Which principals accessed data or evidence for the first time in 28 days?
-- Says nothing before the trail has 14 days of history.
--
-- @severity medium
-- @why Access that nobody has planned begins with a principal that was never here.
-- @runbook new-principal
-- @false_positives A new colleague, job or role.
-- @history 28
WITH days AS (
    SELECT
        principal,
        min(event_time) AS first_time,
        min_by(principal, event_time) AS first_principal,
        min_by(source_ip, event_time) AS first_ip,
        min_by(detail, event_time) AS first_detail,
        min_by(evidence, event_time) AS first_evidence
    FROM trail_calls
    WHERE
        ${history_window}
        AND layer <> 'unknown'
        AND error_code IS NULL
        AND principal IS NOT NULL
    GROUP BY principal
),

known AS (
    SELECT
        *,
        min(first_time) OVER () AS history_begins
    FROM days
)

SELECT
    'new-principal' AS rule,
    first_time AS event_time,
    principal AS subject,
    first_principal AS principal,
    first_ip AS source_ip,
    first_detail AS detail,
    first_evidence AS evidence
FROM known
WHERE
    first_time >= ${since}
    AND history_begins <= ${since} - INTERVAL '14' DAY
