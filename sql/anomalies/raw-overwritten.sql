-- Which raw objects were written again under a key that was already there?
-- By the receipts of the last 28 days.
--
-- @severity medium
-- @why Who reads the key without a version gets other bytes than those that were delivered first.
-- @runbook raw-overwritten
-- @false_positives A producer that delivers corrections under the same name.
-- @history 28
WITH versions AS (
    SELECT
        written_at,
        bucket_name,
        object_key,
        version_id,
        principal_id,
        source_ip,
        receipt_uri,
        row_number() OVER (PARTITION BY bucket_name, object_key ORDER BY written_at, version_id) AS version_number
    FROM object_receipts
    WHERE
        event_date BETWEEN ${history_day} AND ${last_day}
        AND layer = 'bronze'
)

SELECT
    'raw-overwritten' AS rule,
    written_at AS event_time,
    concat('s3://', bucket_name, '/', object_key) AS subject,
    principal_id AS principal,
    source_ip,
    concat('version ', version_id) AS detail,
    receipt_uri AS evidence
FROM versions
WHERE
    version_number > 1
    AND written_at >= ${since}
    AND written_at < ${until}
