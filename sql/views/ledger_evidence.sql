-- What do trail and receipt say of each object version written, and in what do they contradict each other? One row per
-- version written, both sides in it. provenance_ledger is this view in fewer columns.
--
-- Pairing. Each side offers the identifiers it has; an equality join on bucket, key and identifier finds the
-- candidates (so it hashes, however many objects there are), and the best pairs are kept: request id, else version id,
-- else key_time, the nearest within five minutes where the event names no version and the two sides share no kind of
-- identifier. key_time is a guess and never a proof. Version ids and guesses pair one to one; a request id is that of
-- one write only, so two different records of one request are both held against its receipt.
--
-- status
--   verified      paired by request id or version id, nothing contradicts, recorded within the watermark
--   late          the same, but recorded later than that
--   mismatch      the sides contradict each other, in what contradicts says
--   pending       one side is missing and the write is younger than the watermark
--   unprovenanced the trail has a write that has no receipt
--   unwitnessed   a receipt whose write the trail has not
--   untracked     a write where nothing is recorded
--
-- contradicts is a list, empty where nothing does. What one side does not say contradicts nothing.
--   key_time      nothing but key and time says that the two belong together
--   trail         the trail has records of this request that differ
--   request_id    two requests
--   version_id    two versions
--   event_name    another kind of write (ObjectCreated:Copy, PutObject)
--   principal_id  another principal. The receipt has it with AWS: before it. The two sides name the root user
--                 differently: he is held against users and roles alone. The session in the trail's ARN is compared as
--                 well; names of users and roles are the trail's word alone: receipts hold ids.
--   source_ip     two addresses. A service's name is none, and what came through a VPC endpoint is not compared.
--   size_bytes    less came in than was stored, or, by PutObject, more than the framing of chunks explains. Copies and
--                 uploads in parts do not say how much came in.
--   event_time    more than five minutes apart; last modified after the write, or a day before it (an upload in parts
--                 bears the time at which it began: it is judged by its completion); in the future, or after its own
--                 delivery
--   recorded_at   recorded before the write, or in the future
--
-- event_date is the day of delivery of the trail's event, or the day after the event if that is earlier (of a receipt
-- without an event: the day of the write). All rows are decided within it: every window is partitioned by it and every
-- join has it among its equalities where the other side is the trail, so a filter on it reaches each scan of the trail
-- as a condition on the partition alone, which Trino decides partition by partition. A day D costs the days D - 1 (was
-- it delivered before midnight already?), D, D + 1 and D + 2 (was the receipt's event delivered later?). What comes
-- more than two days after the event is not looked for there: it is a row of its own day if it has no receipt or
-- contradicts it, and none if it agrees, for the day of the write has a row then, verified or unwitnessed.
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

-- What a day knows: delivered on the day before (1), on the day itself (2), and, if it came two days after the event,
-- on the day after (3).
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

-- Records of one request that differ are numbered, and known to differ.
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

-- One of a write's identifiers is always NULL, and a NULL meets nothing: every write keeps a row without a receipt.
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

identified_receipts AS (
    SELECT
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
        nullif(regexp_extract(receipts.principal_id, '^(?:AWS:)?(.*)$', 1), '') AS principal,
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
        w.*,
        r.version_id AS receipt_version_id,
        r.request_id AS receipt_request_id,
        r.event_name AS receipt_event_name,
        r.event_time AS receipt_event_time,
        r.principal_id AS receipt_principal_id,
        r.source_ip AS receipt_source_ip,
        r.principal AS receipt_principal,
        r.last_modified,
        r.recorded_at,
        r.sha256,
        r.size_bytes,
        r.receipt_uri,
        CASE WHEN r.receipt_uri IS NULL THEN 4 ELSE w.identifier_preference END AS preference,
        CASE WHEN r.receipt_uri IS NULL THEN 'none' ELSE w.identifier_kind END AS match_basis,
        abs(date_diff('millisecond', w.eventtime, r.written_at)) AS distance_ms
    FROM identified_writes AS w
    LEFT JOIN identified_receipts AS r
        ON
            w.bucket_name = r.bucket_name
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

-- Each receipt goes to one write, then each write takes one of the receipts that went to it. A write without
-- candidates is a partition of its own, or all of them would be sorted in one place.
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
        -- The trail's address and the receipt's, each in full, or NULL where it is none.
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

-- What comes later than is looked for, and agrees, is another record of a write that has its row.
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
        -- An upload in parts was completed after it began, and before its receipt was asked for.
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
            CASE WHEN written_at > asked_at + INTERVAL '5' MINUTE THEN 'event_time' END,
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
    -- A caller of another account, or of none, has no name here: what CloudTrail tells of him stands for it.
    CASE WHEN user_type = 'AWSAccount' THEN caller ELSE user_name END AS user_name,
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
        WHEN contradicts <> '' THEN 'mismatch'
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
    cast(NULL AS bigint) AS leaf_index,
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
