-- Who wrote each object version, and is it proven? One row per version written: the trail's event with its receipt,
-- and what is there on one side only.
--
-- Pairing. Each side offers the identifiers it has; an equality join on bucket, key and identifier finds the
-- candidates (so it hashes, however many objects there are), and the best one-to-one pairs are kept: request id,
-- else version id, else key_time, the nearest within five minutes where the event names no version and the two
-- sides share no kind of identifier. key_time is a guess and never a proof.
--
-- status
--   verified      paired by request id or version id, nothing contradicts, recorded within the watermark
--   late          the same, but recorded later than that
--   mismatch      paired, but request id or version contradict, or paired by key_time only
--   pending       one side is missing and the write is younger than the watermark
--   unprovenanced the trail has a write that has no receipt
--   unwitnessed   a receipt whose write the trail has not
--   untracked     a write where nothing is recorded
--
-- event_date is the day of delivery of the trail's event (of a receipt without one: the day of the write). All rows
-- are decided within it: every window is partitioned by it and every join has it among its equalities where the
-- other side is the trail, so a filter on it reaches each scan of the trail as a condition on the partition alone,
-- which Trino decides partition by partition. A day D costs the days D - 1 (was the event delivered before midnight
-- already?), D and D + 1 (was the receipt's event delivered after midnight?). What is delivered more than a day
-- after the write therefore stands here twice: unwitnessed on the day of the write, paired on the day of delivery.
--
-- @column event_date date
-- @column event_time timestamp
-- @column event_name varchar
-- @column bucket_name varchar
-- @column object_key varchar
-- @column version_id varchar
-- @column sha256 varchar
-- @column size_bytes bigint
-- @column layer varchar
-- @column user_arn varchar
-- @column user_name varchar
-- @column principal_id varchar
-- @column invoked_by varchar
-- @column source_ip varchar
-- @column user_agent varchar
-- @column request_id varchar
-- @column recorded_at timestamp
-- @column leaf_index bigint
-- @column match_basis varchar
-- @column status varchar
WITH delivered_before AS (
    SELECT
        eventid,
        cast(event_date + INTERVAL '1' DAY AS date) AS event_date
    FROM cloudtrail_s3_events_flattened
    WHERE in_ledger
),

writes AS (
    SELECT
        delivered.event_date,
        delivered.eventid,
        delivered.eventtime,
        delivered.eventname,
        delivered.bucket_name,
        delivered.object_key,
        delivered.version_id,
        delivered.requestid,
        delivered.layer,
        delivered.user_arn,
        delivered.user_name,
        delivered.principal_id,
        delivered.invoked_by,
        delivered.sourceipaddress,
        delivered.useragent
    FROM cloudtrail_s3_events_flattened AS delivered
    LEFT JOIN delivered_before
        ON
            delivered.event_date = delivered_before.event_date
            AND delivered.eventid = delivered_before.eventid
    WHERE delivered.in_ledger AND delivered_before.eventid IS NULL
),

identifiers (preference, match_basis) AS (
    VALUES (1, 'request_id'), (2, 'version_id'), (3, 'key_time')
),

-- One of a write's identifiers is always NULL, and a NULL meets nothing: every write keeps a row without a receipt.
identified_writes AS (
    SELECT
        writes.*,
        identifiers.preference,
        identifiers.match_basis,
        CASE identifiers.match_basis
            WHEN 'request_id' THEN writes.requestid
            WHEN 'version_id' THEN writes.version_id
            ELSE CASE WHEN writes.version_id IS NULL THEN '' END
        END AS identifier
    FROM writes
    CROSS JOIN identifiers
),

identified_receipts AS (
    SELECT
        receipts.bucket_name,
        receipts.object_key,
        receipts.version_id,
        receipts.request_id,
        receipts.written_at,
        receipts.recorded_at,
        receipts.sha256,
        receipts.size_bytes,
        receipts.receipt_uri,
        identifiers.match_basis,
        CASE identifiers.match_basis
            WHEN 'request_id' THEN receipts.request_id
            WHEN 'version_id' THEN receipts.version_id
            ELSE ''
        END AS identifier
    FROM object_receipts AS receipts
    CROSS JOIN identifiers
),

candidates AS (
    SELECT
        w.event_date,
        w.eventid,
        w.eventtime,
        w.eventname,
        w.bucket_name,
        w.object_key,
        w.version_id,
        w.requestid,
        w.layer,
        w.user_arn,
        w.user_name,
        w.principal_id,
        w.invoked_by,
        w.sourceipaddress,
        w.useragent,
        r.receipt_uri,
        r.version_id AS receipt_version_id,
        r.request_id AS receipt_request_id,
        r.recorded_at,
        r.sha256,
        r.size_bytes,
        CASE WHEN r.receipt_uri IS NULL THEN 4 ELSE w.preference END AS preference,
        CASE WHEN r.receipt_uri IS NULL THEN 'none' ELSE w.match_basis END AS match_basis,
        abs(date_diff('millisecond', w.eventtime, r.written_at)) AS distance_ms
    FROM identified_writes AS w
    LEFT JOIN identified_receipts AS r
        ON
            w.bucket_name = r.bucket_name
            AND w.object_key = r.object_key
            AND w.match_basis = r.match_basis
            AND w.identifier = r.identifier
            AND (
                w.match_basis <> 'key_time'
                OR (
                    (w.requestid IS NULL OR r.request_id IS NULL)
                    AND r.written_at BETWEEN w.eventtime - INTERVAL '5' MINUTE AND w.eventtime + INTERVAL '5' MINUTE
                )
            )
),

-- Each receipt goes to one write, then each write takes one of the receipts that went to it. A write without
-- candidates is a partition of its own, or all of them would be sorted in one place.
chosen_by_receipt AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY event_date, coalesce(receipt_uri, eventid)
            ORDER BY preference, distance_ms, eventid
        ) AS receipt_choice
    FROM candidates
),

chosen_by_write AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY event_date, eventid
            ORDER BY preference, distance_ms, receipt_uri
        ) AS write_choice
    FROM chosen_by_receipt
    WHERE receipt_uri IS NULL OR receipt_choice = 1
),

paired_writes AS (
    SELECT * FROM chosen_by_write
    WHERE write_choice = 1
),

taken_receipts AS (
    SELECT
        receipt_uri,
        event_date
    FROM paired_writes
    WHERE receipt_uri IS NOT NULL
    UNION ALL
    SELECT
        receipt_uri,
        cast(event_date - INTERVAL '1' DAY AS date) AS event_date
    FROM paired_writes
    WHERE receipt_uri IS NOT NULL
)

SELECT
    event_date,
    eventtime AS event_time,
    eventname AS event_name,
    bucket_name,
    object_key,
    coalesce(version_id, receipt_version_id) AS version_id,
    sha256,
    size_bytes,
    layer,
    user_arn,
    user_name,
    principal_id,
    invoked_by,
    sourceipaddress AS source_ip,
    useragent AS user_agent,
    requestid AS request_id,
    recorded_at,
    cast(NULL AS bigint) AS leaf_index,
    match_basis,
    CASE
        WHEN NOT (${is_recorded}) THEN 'untracked'
        WHEN
            match_basis = 'none'
            AND eventtime
            > cast(current_timestamp AT TIME ZONE 'UTC' AS timestamp) - INTERVAL '${watermark_minutes}' MINUTE
            THEN 'pending'
        WHEN match_basis = 'none' THEN 'unprovenanced'
        WHEN
            match_basis = 'key_time' OR version_id <> receipt_version_id OR requestid <> receipt_request_id
            THEN 'mismatch'
        WHEN recorded_at <= eventtime + INTERVAL '${watermark_minutes}' MINUTE THEN 'verified'
        ELSE 'late'
    END AS status
FROM paired_writes
UNION ALL
SELECT
    receipts.event_date,
    receipts.written_at AS event_time,
    receipts.event_name,
    receipts.bucket_name,
    receipts.object_key,
    receipts.version_id,
    receipts.sha256,
    receipts.size_bytes,
    receipts.layer,
    cast(NULL AS varchar) AS user_arn,
    cast(NULL AS varchar) AS user_name,
    receipts.principal_id,
    cast(NULL AS varchar) AS invoked_by,
    receipts.source_ip,
    cast(NULL AS varchar) AS user_agent,
    receipts.request_id,
    receipts.recorded_at,
    cast(NULL AS bigint) AS leaf_index,
    'none' AS match_basis,
    CASE
        WHEN
            receipts.written_at
            > cast(current_timestamp AT TIME ZONE 'UTC' AS timestamp) - INTERVAL '${watermark_minutes}' MINUTE
            THEN 'pending'
        ELSE 'unwitnessed'
    END AS status
FROM object_receipts AS receipts
LEFT JOIN taken_receipts
    ON
        receipts.event_date = taken_receipts.event_date
        AND receipts.receipt_uri = taken_receipts.receipt_uri
WHERE taken_receipts.receipt_uri IS NULL
