-- What do trail and receipt say about each object version written, and where do they contradict each other? One row per
-- version written, with both sides. provenance_ledger is this view with fewer columns.
--
-- Receipts are those in the log: what is not sealed yet is missing here, and pending anyway.
--
-- Pairing. Each side has its identifiers; an equality join on day, bucket, key and identifier finds the candidates (so
-- it is a hash join for any number of objects). The best pairs are kept: request id, else version id, else key_time,
-- the nearest within five minutes if the event names no version and the two sides have no common kind of identifier.
-- key_time is a guess and never a proof. Version ids and guesses pair one to one; a request id belongs to one write
-- only, so two different records of one request are both compared with its receipt.
--
-- status
--   verified      paired by request id or version id, nothing contradicts, recorded within the watermark
--   late          the same, but recorded later than that; or the trail told of the write more than two days after it
--   mismatch      the sides contradict each other: see contradicts
--   pending       one side is missing and the write is younger than the watermark
--   unprovenanced the trail has a write without a receipt
--   unwitnessed   a receipt without a write in the trail
--   untracked     a write outside the recorded prefixes
--
-- contradicts is a list, empty without contradictions. A value that is missing on one side is no contradiction.
--   key_time      only key and time suggest that the two belong together
--   trail         the trail has different records of this request
--   request_id    two requests
--   version_id    two versions
--   event_name    another kind of write (ObjectCreated:Copy, PutObject)
--   principal_id  another principal. The receipt has it with the prefix AWS:. The two sides name the root user
--                 differently: it is compared with users and roles only. The session in the trail's ARN is compared
--                 too; names of users and roles are only in the trail: receipts have ids.
--   source_ip     two addresses. A service's name is not an address, and calls through a VPC endpoint are not compared.
--   size_bytes    fewer bytes were received than stored, or, by PutObject, more than the framing of chunks explains.
--                 Copies and multipart uploads do not say how many were received.
--   event_time    more than five minutes apart; last modified after the write, or a day before it (a multipart upload
--                 has the time at which it was initiated: its completion counts); in the future, or after its own
--                 delivery
--   recorded_at   recorded before the write, or in the future
--
-- event_date is the day of delivery of the trail's event, or the day after the event if that is earlier (for a receipt
-- without an event: the day of the write). All rows are decided within it: every window is partitioned by it and every
-- join with the trail has it among its equalities, so a filter on it reaches each scan of the trail as a condition on
-- the partition only, which Trino decides for each partition. A day D reads the days D - 1 (was it delivered before
-- midnight already?), D, D + 1 and D + 2 (was the receipt's event delivered later?), and receipts from D - 2 to D + 2.
-- What comes more than two days after the event is not looked up there, and its receipt is not looked for: it is a row
-- of its own day, late, beside that of the day of the write, which is verified or unwitnessed. `custody verify`
-- compares everything with everything.
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
-- @column contradicts varchar
-- @column event_id varchar
-- @column user_type varchar
-- @column user_account_id varchar
-- @column on_behalf_of_user_id varchar
-- @column bytes_in bigint
-- @column receipt_event_name varchar
-- @column receipt_event_time timestamp
-- @column receipt_version_id varchar
-- @column receipt_request_id varchar
-- @column receipt_principal_id varchar
-- @column receipt_source_ip varchar
-- @column last_modified timestamp
-- @column receipt_uri varchar
WITH delivered AS (
    SELECT
        event_date,
        eventid,
        eventtime,
        eventname,
        bucket_name,
        object_key,
        version_id,
        requestid,
        layer,
        bytes_in,
        user_type,
        user_arn,
        user_name,
        principal_id,
        user_account_id,
        on_behalf_of_user_id,
        caller,
        invoked_by,
        sourceipaddress,
        useragent,
        vpcendpointid,
        coalesce(requestid, eventid) AS request
    FROM cloudtrail_s3_events_flattened
    WHERE in_ledger
),

-- Deliveries that a day includes: the day before (1), the day itself (2), and, if it came two days after the event,
-- the day after (3).
known AS (
    SELECT
        *,
        event_date AS ledger_date,
        2 AS delivery
    FROM delivered
    UNION ALL
    SELECT
        *,
        cast(event_date + INTERVAL '1' DAY AS date) AS ledger_date,
        1 AS delivery
    FROM delivered
    UNION ALL
    SELECT
        *,
        cast(event_date - INTERVAL '1' DAY AS date) AS ledger_date,
        3 AS delivery
    FROM delivered
    WHERE cast(eventtime AS date) = cast(event_date - INTERVAL '2' DAY AS date)
),

first_deliveries AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY
                ledger_date,
                request,
                eventname,
                eventtime,
                bucket_name,
                object_key,
                version_id,
                bytes_in,
                user_arn,
                principal_id,
                sourceipaddress
            ORDER BY delivery, eventid, useragent
        ) AS delivered_before
    FROM known
),

-- Different records of one request are numbered and marked as different.
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY ledger_date, request
            ORDER BY delivery, eventid, eventtime, object_key, version_id, user_arn, principal_id, sourceipaddress
        ) AS record_number,
        count(*) OVER (PARTITION BY ledger_date, request) AS records
    FROM first_deliveries
    WHERE delivered_before = 1
),

writes AS (
    SELECT * FROM numbered
    WHERE
        delivery = 3
        OR (
            delivery = 2
            AND coalesce(cast(eventtime AS date) <> cast(event_date - INTERVAL '2' DAY AS date), TRUE)
        )
),

identifiers (preference, match_basis) AS (
    VALUES (1, 'request_id'), (2, 'version_id'), (3, 'key_time')
),

-- One of a write's identifiers is always NULL, which matches nothing: every write keeps a row without a receipt.
identified_writes AS (
    SELECT
        writes.*,
        identifiers.preference AS identifier_preference,
        identifiers.match_basis AS identifier_kind,
        CASE identifiers.match_basis
            WHEN 'request_id' THEN writes.requestid
            WHEN 'version_id' THEN writes.version_id
            ELSE CASE WHEN writes.version_id IS NULL THEN '' END
        END AS identifier
    FROM writes
    CROSS JOIN identifiers
),

-- A receipt is looked for on its own day, the next two (the trail's record may be delivered then) and, around midnight,
-- the one before.
receipts_by_day AS (
    SELECT
        *,
        event_date AS ledger_date
    FROM object_receipts
    UNION ALL
    SELECT
        *,
        cast(event_date + INTERVAL '1' DAY AS date) AS ledger_date
    FROM object_receipts
    UNION ALL
    SELECT
        *,
        cast(event_date + INTERVAL '2' DAY AS date) AS ledger_date
    FROM object_receipts
    UNION ALL
    SELECT
        *,
        cast(event_date - INTERVAL '1' DAY AS date) AS ledger_date
    FROM object_receipts
),

identified_receipts AS (
    SELECT
        receipts.ledger_date,
        receipts.leaf_index,
        receipts.bucket_name,
        receipts.object_key,
        receipts.version_id,
        receipts.request_id,
        receipts.event_name,
        receipts.event_time,
        receipts.written_at,
        receipts.last_modified,
        receipts.recorded_at,
        receipts.principal_id,
        receipts.source_ip,
        receipts.sha256,
        receipts.size_bytes,
        receipts.receipt_uri,
        identifiers.match_basis,
        CASE identifiers.match_basis
            WHEN 'request_id' THEN receipts.request_id
            WHEN 'version_id' THEN receipts.version_id
            ELSE ''
        END AS identifier
    FROM receipts_by_day AS receipts
    CROSS JOIN identifiers
),

candidates AS (
    SELECT
        w.*,
        r.version_id AS receipt_version_id,
        r.request_id AS receipt_request_id,
        r.event_name AS receipt_event_name,
        r.event_time AS receipt_event_time,
        r.principal_id AS receipt_principal_id,
        r.source_ip AS receipt_source_ip,
        r.last_modified,
        r.recorded_at,
        r.sha256,
        r.size_bytes,
        r.receipt_uri,
        r.leaf_index,
        CASE WHEN r.receipt_uri IS NULL THEN 4 ELSE w.identifier_preference END AS preference,
        CASE WHEN r.receipt_uri IS NULL THEN 'none' ELSE w.identifier_kind END AS match_basis,
        abs(date_diff('millisecond', w.eventtime, r.written_at)) AS distance_ms
    FROM identified_writes AS w
    LEFT JOIN identified_receipts AS r
        ON
            w.ledger_date = r.ledger_date
            AND w.bucket_name = r.bucket_name
            AND w.object_key = r.object_key
            AND w.identifier_kind = r.match_basis
            AND w.identifier = r.identifier
            AND (
                w.identifier_kind <> 'key_time'
                OR (
                    (w.requestid IS NULL OR r.request_id IS NULL)
                    AND r.written_at BETWEEN w.eventtime - INTERVAL '5' MINUTE AND w.eventtime + INTERVAL '5' MINUTE
                )
            )
),

-- Each receipt is assigned to one write, then each write takes one of its receipts. A write without candidates is a
-- partition of its own, so that not all of them are sorted in one place.
chosen_by_receipt AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY ledger_date, coalesce(receipt_uri, request)
            ORDER BY preference, distance_ms, request, record_number
        ) AS receipt_choice
    FROM candidates
),

chosen_by_write AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY ledger_date, request, record_number
            ORDER BY preference, distance_ms, receipt_uri
        ) AS write_choice,
        cast(current_timestamp AT TIME ZONE 'UTC' AS timestamp) AS asked_at,
        nullif(regexp_replace(receipt_principal_id, '^AWS:'), '') AS receipt_principal,
        -- The trail's address and the receipt's, each in full, or NULL if it is not an address.
        transform(
            CASE
                WHEN vpcendpointid IS NULL AND lower(sourceipaddress) <> lower(receipt_source_ip)
                    THEN ARRAY[lower(sourceipaddress), lower(receipt_source_ip)]
            END,
            address -> CASE
                WHEN NOT regexp_like(address, '^[0-9a-f:.]+$') THEN NULL
                WHEN strpos(address, '.') > 0 THEN replace(address, '::ffff:', '')
                ELSE array_join(
                    transform(
                        split(
                            regexp_replace(
                                replace(
                                    address,
                                    '::',
                                    concat(
                                        ':',
                                        substr(
                                            '0:0:0:0:0:0:0:0:',
                                            1,
                                            2 * (8 - cardinality(filter(split(address, ':'), part -> part <> '')))
                                        )
                                    )
                                ),
                                '^:|:$'
                            ),
                            ':'
                        ),
                        part -> lpad(part, 4, '0')
                    ),
                    ':'
                )
            END
        ) AS addresses
    FROM chosen_by_receipt
    WHERE receipt_uri IS NULL OR receipt_choice = 1 OR match_basis = 'request_id'
),

judged_writes AS (
    SELECT
        *,
        concat_ws(
            ', ',
            CASE WHEN match_basis = 'key_time' THEN 'key_time' END,
            CASE WHEN records > 1 THEN 'trail' END,
            CASE WHEN requestid <> receipt_request_id THEN 'request_id' END,
            CASE WHEN version_id <> receipt_version_id THEN 'version_id' END,
            CASE
                WHEN
                    eventname <> CASE receipt_event_name
                        WHEN 'ObjectCreated:Put' THEN 'PutObject'
                        WHEN 'ObjectCreated:Post' THEN 'PostObject'
                        WHEN 'ObjectCreated:Copy' THEN 'CopyObject'
                        WHEN 'ObjectCreated:CompleteMultipartUpload' THEN 'CompleteMultipartUpload'
                    END
                    THEN 'event_name'
            END,
            CASE
                WHEN
                    (
                        nullif(principal_id, '') <> receipt_principal
                        AND (
                            NOT regexp_like(principal_id, '^[0-9]{12}(:|$)')
                            OR regexp_like(receipt_principal, '^(AIDA|AROA|[0-9]{12})')
                        )
                    )
                    OR (user_account_id = 'ANONYMOUS_PRINCIPAL' AND regexp_like(receipt_principal, '^(AIDA|AROA)'))
                    OR nullif(regexp_extract(user_arn, ':assumed-role/[^/]+/(.+)$', 1), '')
                    <> nullif(regexp_extract(receipt_principal, '^AROA[^:]*:(.+)$', 1), '')
                    THEN 'principal_id'
            END,
            CASE WHEN element_at(addresses, 1) <> element_at(addresses, 2) THEN 'source_ip' END,
            CASE
                WHEN
                    bytes_in > 0
                    AND (
                        (eventname IN ('PutObject', 'PostObject') AND bytes_in < size_bytes)
                        OR (eventname = 'PutObject' AND (bytes_in - size_bytes - 512) * 64 > size_bytes)
                    )
                    THEN 'size_bytes'
            END,
            CASE
                WHEN
                    eventtime IS NULL
                    OR eventtime > asked_at + INTERVAL '5' MINUTE
                    OR eventtime
                    > cast(event_date AS timestamp) + INTERVAL '1' DAY + INTERVAL '5' MINUTE
                    OR (
                        receipt_event_name <> 'Backfill'
                        AND receipt_event_time
                        NOT BETWEEN eventtime - INTERVAL '5' MINUTE AND eventtime + INTERVAL '5' MINUTE
                    )
                    OR last_modified > eventtime + INTERVAL '5' MINUTE
                    OR (eventname <> 'CompleteMultipartUpload' AND last_modified < eventtime - INTERVAL '1' DAY)
                    THEN 'event_time'
            END,
            CASE
                WHEN
                    recorded_at < eventtime - INTERVAL '1' SECOND
                    OR recorded_at < last_modified - INTERVAL '1' SECOND
                    OR (receipt_event_name <> 'Backfill' AND recorded_at < receipt_event_time - INTERVAL '1' SECOND)
                    OR recorded_at > asked_at + INTERVAL '5' MINUTE
                    THEN 'recorded_at'
            END
        ) AS contradicts
    FROM chosen_by_write
    WHERE write_choice = 1
),

-- A record that comes too late to be looked up, and agrees, belongs to a write that already has its row.
paired_writes AS (
    SELECT * FROM judged_writes
    WHERE
        receipt_uri IS NULL
        OR contradicts <> ''
        OR cast(eventtime AS date) >= cast(event_date - INTERVAL '2' DAY AS date)
),

taken_receipts AS (
    SELECT
        receipt_uri,
        ledger_date AS event_date
    FROM paired_writes
    WHERE receipt_uri IS NOT NULL
    UNION ALL
    SELECT
        receipt_uri,
        cast(ledger_date - INTERVAL '1' DAY AS date) AS event_date
    FROM paired_writes
    WHERE receipt_uri IS NOT NULL
),

unpaired_receipts AS (
    SELECT
        receipts.*,
        -- A multipart upload was completed after it was initiated, and before its receipt was requested.
        CASE
            WHEN receipts.event_name = 'Backfill' AND regexp_like(receipts.etag, '-[0-9]+"?$') THEN receipts.recorded_at
            ELSE receipts.written_at
        END AS written_by,
        cast(current_timestamp AT TIME ZONE 'UTC' AS timestamp) AS asked_at
    FROM object_receipts AS receipts
    LEFT JOIN taken_receipts
        ON
            receipts.event_date = taken_receipts.event_date
            AND receipts.receipt_uri = taken_receipts.receipt_uri
    WHERE taken_receipts.receipt_uri IS NULL
),

judged_receipts AS (
    SELECT
        *,
        concat_ws(
            ', ',
            CASE
                WHEN
                    written_at > asked_at + INTERVAL '5' MINUTE
                    OR last_modified > written_at + INTERVAL '5' MINUTE
                    THEN 'event_time'
            END,
            CASE
                WHEN
                    recorded_at < written_at - INTERVAL '1' SECOND
                    OR recorded_at < last_modified - INTERVAL '1' SECOND
                    OR recorded_at > asked_at + INTERVAL '5' MINUTE
                    THEN 'recorded_at'
            END
        ) AS contradicts
    FROM unpaired_receipts
)

SELECT
    ledger_date AS event_date,
    eventtime AS event_time,
    eventname AS event_name,
    bucket_name,
    object_key,
    coalesce(version_id, receipt_version_id) AS version_id,
    sha256,
    size_bytes,
    layer,
    user_arn,
    -- A caller of another account, or of none, has no name here: CloudTrail's identity is used instead.
    CASE WHEN user_type = 'AWSAccount' THEN caller ELSE user_name END AS user_name,
    principal_id,
    invoked_by,
    sourceipaddress AS source_ip,
    useragent AS user_agent,
    requestid AS request_id,
    recorded_at,
    leaf_index,
    match_basis,
    CASE
        WHEN NOT (${is_recorded}) THEN 'untracked'
        WHEN contradicts <> '' THEN 'mismatch'
        WHEN
            match_basis = 'none'
            AND cast(eventtime AS date) < cast(ledger_date - INTERVAL '2' DAY AS date)
            THEN 'late'
        WHEN match_basis = 'none' AND eventtime > asked_at - INTERVAL '${watermark_minutes}' MINUTE THEN 'pending'
        WHEN match_basis = 'none' THEN 'unprovenanced'
        WHEN recorded_at <= eventtime + INTERVAL '${watermark_minutes}' MINUTE THEN 'verified'
        ELSE 'late'
    END AS status,
    contradicts,
    eventid AS event_id,
    user_type,
    user_account_id,
    on_behalf_of_user_id,
    bytes_in,
    receipt_event_name,
    receipt_event_time,
    receipt_version_id,
    receipt_request_id,
    receipt_principal_id,
    receipt_source_ip,
    last_modified,
    receipt_uri
FROM paired_writes
UNION ALL
SELECT
    event_date,
    written_at AS event_time,
    event_name,
    bucket_name,
    object_key,
    version_id,
    sha256,
    size_bytes,
    layer,
    cast(NULL AS varchar) AS user_arn,
    cast(NULL AS varchar) AS user_name,
    principal_id,
    cast(NULL AS varchar) AS invoked_by,
    source_ip,
    cast(NULL AS varchar) AS user_agent,
    request_id,
    recorded_at,
    leaf_index,
    'none' AS match_basis,
    CASE
        WHEN contradicts <> '' THEN 'mismatch'
        WHEN written_by > asked_at - INTERVAL '${watermark_minutes}' MINUTE THEN 'pending'
        ELSE 'unwitnessed'
    END AS status,
    contradicts,
    cast(NULL AS varchar) AS event_id,
    cast(NULL AS varchar) AS user_type,
    cast(NULL AS varchar) AS user_account_id,
    cast(NULL AS varchar) AS on_behalf_of_user_id,
    cast(NULL AS bigint) AS bytes_in,
    event_name AS receipt_event_name,
    event_time AS receipt_event_time,
    version_id AS receipt_version_id,
    request_id AS receipt_request_id,
    principal_id AS receipt_principal_id,
    source_ip AS receipt_source_ip,
    last_modified,
    receipt_uri
FROM judged_receipts
