-- From which networks were data or evidence accessed for the first time in 28 days?
-- Says nothing before the trail has 14 days of history. A network is trail_calls' network. The kit's own functions and
-- jobs are left out: AWS gives them new addresses all the time.
--
-- @severity low
-- @why Stolen credentials are used from somewhere else.
-- @runbook new-network
-- @false_positives People who travel, and providers that change addresses.
-- @history 28
WITH days AS (
    SELECT
        network,
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
        AND network IS NOT NULL
        AND coalesce(role_arn, '') NOT IN (${service_roles})
    GROUP BY network
),

known AS (
    SELECT
        *,
        min(first_time) OVER () AS history_begins
    FROM days
)

SELECT
    'new-network' AS rule,
    first_time AS event_time,
    network AS subject,
    first_principal AS principal,
    first_ip AS source_ip,
    first_detail AS detail,
    first_evidence AS evidence
FROM known
WHERE
    first_time >= ${since}
    AND history_begins <= ${since} - INTERVAL '14' DAY
