-- Which receipts that were stored now tell of a time long before, which the rules of the ledger ask about no more?
-- When a receipt was stored is for the trail to say, not for the receipt. At whatever time: a receipt that was recorded
-- at another time than it was stored, or whose object Amazon S3 dates later than the receipt does. Within 14 days: a
-- receipt of a write half a day before or more that contradicts the trail, or that no event confirms.
--
-- @severity critical
-- @why Whoever may write receipts can date one back to where nobody looks any more.
-- @runbook receipt-backdated
-- @false_positives A backfill of objects that were written while the trail did not log them.
-- @history 14
WITH stored AS (
    SELECT
        concat('s3://', bucket_name, '/', object_key) AS receipt_uri,
        min(event_time) AS stored_at,
        min_by(principal, event_time) AS stored_by,
        min_by(source_ip, event_time) AS stored_from
    FROM trail_calls
    WHERE
        ${window}
        AND layer = 'provenance'
        AND starts_with(object_key, 'provenance/')
        AND event_name IN ('CompleteMultipartUpload', 'CopyObject', 'PostObject', 'PutObject')
        AND error_code IS NULL
    GROUP BY 1
),

doubtful AS (
    SELECT
        receipts.receipt_uri,
        stored.stored_at,
        stored.stored_by,
        stored.stored_from,
        'its own times' AS wrong,
        receipts.bucket_name,
        receipts.object_key,
        receipts.version_id,
        receipts.written_at,
        receipts.recorded_at
    FROM object_receipts AS receipts
    INNER JOIN stored ON receipts.receipt_uri = stored.receipt_uri
    WHERE
        receipts.event_date <= ${last_day}
        AND (
            receipts.recorded_at < stored.stored_at - INTERVAL '16' MINUTE
            OR receipts.last_modified > receipts.written_at + INTERVAL '5' MINUTE
        )
    UNION ALL
    SELECT
        ledger.receipt_uri,
        stored.stored_at,
        stored.stored_by,
        stored.stored_from,
        concat_ws(' ', ledger.status, nullif(ledger.contradicts, '')) AS wrong,
        ledger.bucket_name,
        ledger.object_key,
        ledger.version_id,
        ledger.event_time AS written_at,
        ledger.recorded_at
    FROM (
        SELECT *
        FROM ledger_evidence
        WHERE
            event_date BETWEEN ${history_day} AND ${last_day}
            AND status IN ('mismatch', 'unwitnessed')
            AND NOT (${is_older_than_adoption})
    ) AS ledger
    INNER JOIN stored ON ledger.receipt_uri = stored.receipt_uri
    WHERE ledger.event_time < stored.stored_at - INTERVAL '12' HOUR
)

SELECT
    'receipt-backdated' AS rule,
    stored_at AS event_time,
    concat('s3://', bucket_name, '/', object_key) AS subject,
    stored_by AS principal,
    stored_from AS source_ip,
    concat(
        wrong,
        '; written at ',
        cast(written_at AS varchar),
        ', recorded at ',
        cast(recorded_at AS varchar),
        ', stored at ',
        cast(stored_at AS varchar),
        '; version ',
        version_id
    ) AS detail,
    receipt_uri AS evidence
FROM doubtful
