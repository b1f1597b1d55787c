-- How much was written on each day, how much of it is recorded and sealed, and what is not proven? One row per day.
--
-- writes, verified and the other statuses count rows of provenance_ledger, by its day: a write of which the trail
-- tells has a row there, and so has a receipt without one. findings are the rows of which a person has to learn: late,
-- mismatch, unprovenanced and unwitnessed.
-- receipts and sealed count what the log has, by the day of the write as in object_receipts: different receipts, and
-- leaves. More leaves than receipts: a receipt was sealed twice.
-- Around midnight the days of the two sides differ: compare their sums over more days, or read findings.
-- A filter on event_date reads the files that provenance_ledger reads for these days, and no others.
--
-- @column event_date date
-- @column writes bigint
-- @column receipts bigint
-- @column sealed bigint
-- @column findings bigint
-- @column verified bigint
-- @column pending bigint
-- @column untracked bigint
-- @column late bigint
-- @column mismatch bigint
-- @column unprovenanced bigint
-- @column unwitnessed bigint
WITH sides AS (
    SELECT
        event_date,
        status,
        -- A row of a receipt alone has a receipt that nothing was matched with.
        match_basis <> 'none' OR receipt_uri IS NULL AS is_write,
        cast(NULL AS varchar) AS sealed_receipt
    FROM ledger_evidence
    UNION ALL
    SELECT
        event_date,
        cast(NULL AS varchar) AS status,
        FALSE AS is_write,
        receipt_uri AS sealed_receipt
    FROM object_receipts
)

SELECT
    event_date,
    count_if(is_write) AS writes,
    count(DISTINCT sealed_receipt) AS receipts,
    count(sealed_receipt) AS sealed,
    count_if(status IN ('late', 'mismatch', 'unprovenanced', 'unwitnessed')) AS findings,
    count_if(status = 'verified') AS verified,
    count_if(status = 'pending') AS pending,
    count_if(status = 'untracked') AS untracked,
    count_if(status = 'late') AS late,
    count_if(status = 'mismatch') AS mismatch,
    count_if(status = 'unprovenanced') AS unprovenanced,
    count_if(status = 'unwitnessed') AS unwitnessed
FROM sides
GROUP BY event_date
