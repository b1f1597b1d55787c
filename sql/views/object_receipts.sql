-- What do the receipts say? One row per receipt, decoded from the envelope's payload.
--
-- A receipt has a signature and the right key: the key derived from its bucket, key and version, as in
-- `custody.evidence.objects`. Any other object below provenance/ is not a receipt. A view shows what is written, it
-- does not verify: `custody verify` checks the signature.
-- written_at is when the object version was written: the time of the S3 event, or of the version itself if the
-- receipt was requested later (event_name Backfill), and event_date is its day.
--
-- @column event_date date
-- @column bucket_name varchar
-- @column object_key varchar
-- @column version_id varchar
-- @column layer varchar
-- @column sha256 varchar
-- @column size_bytes bigint
-- @column etag varchar
-- @column content_type varchar
-- @column last_modified timestamp
-- @column written_at timestamp
-- @column event_name varchar
-- @column event_time timestamp
-- @column request_id varchar
-- @column principal_id varchar
-- @column source_ip varchar
-- @column sequencer varchar
-- @column recorded_at timestamp
-- @column recorder_function varchar
-- @column recorder_code_sha256 varchar
-- @column recorder_version varchar
-- @column key_id varchar
-- @column receipt_uri varchar
WITH decoded_envelopes AS (
    SELECT
        "$path" AS receipt_uri,
        signatures,
        try(json_parse(from_utf8(from_base64(payload)))) AS receipt
    FROM receipt_envelopes
    WHERE
        payloadtype = 'application/vnd.in-toto+json'
        AND coalesce(element_at(signatures, 1).sig, '') <> ''
),

receipts AS (
    SELECT
        receipt_uri,
        json_extract_scalar(receipt, '$.subject[0].name') AS subject_name,
        json_extract_scalar(receipt, '$.predicate.bucket') AS bucket_name,
        json_extract_scalar(receipt, '$.predicate.key') AS object_key,
        json_extract_scalar(receipt, '$.predicate.version_id') AS version_id,
        json_extract_scalar(receipt, '$.subject[0].digest.sha256') AS sha256,
        try_cast(json_extract_scalar(receipt, '$.predicate.size_bytes') AS bigint) AS size_bytes,
        json_extract_scalar(receipt, '$.predicate.etag') AS etag,
        json_extract_scalar(receipt, '$.predicate.content_type') AS content_type,
        cast(
            try(from_iso8601_timestamp(nullif(regexp_extract(
                json_extract_scalar(receipt, '$.predicate.last_modified'), '^\d{4}-\d{2}-\d{2}T.+$'
            ), '')))
            AT TIME ZONE 'UTC' AS timestamp
        ) AS last_modified,
        json_extract_scalar(receipt, '$.predicate.event.name') AS event_name,
        cast(
            try(from_iso8601_timestamp(nullif(regexp_extract(
                json_extract_scalar(receipt, '$.predicate.event.time'), '^\d{4}-\d{2}-\d{2}T.+$'
            ), '')))
            AT TIME ZONE 'UTC' AS timestamp
        ) AS event_time,
        json_extract_scalar(receipt, '$.predicate.event.request_id') AS request_id,
        json_extract_scalar(receipt, '$.predicate.event.principal_id') AS principal_id,
        json_extract_scalar(receipt, '$.predicate.event.source_ip') AS source_ip,
        json_extract_scalar(receipt, '$.predicate.event.sequencer') AS sequencer,
        cast(
            try(from_iso8601_timestamp(nullif(regexp_extract(
                json_extract_scalar(receipt, '$.predicate.recorded_at'), '^\d{4}-\d{2}-\d{2}T.+$'
            ), '')))
            AT TIME ZONE 'UTC' AS timestamp
        ) AS recorded_at,
        json_extract_scalar(receipt, '$.predicate.recorder.function') AS recorder_function,
        json_extract_scalar(receipt, '$.predicate.recorder.code_sha256') AS recorder_code_sha256,
        json_extract_scalar(receipt, '$.predicate.recorder.version') AS recorder_version,
        element_at(signatures, 1).keyid AS key_id
    FROM decoded_envelopes
    WHERE json_extract_scalar(receipt, '$.predicateType') = 'urn:custody:object-receipt:v1'
),

dated_receipts AS (
    SELECT
        *,
        concat('provenance/', bucket_name, '/', object_key, '/', version_id, '.json') AS plain_key,
        CASE WHEN event_name = 'Backfill' THEN last_modified ELSE coalesce(event_time, last_modified) END AS written_at
    FROM receipts
)

SELECT
    cast(written_at AS date) AS event_date,
    bucket_name,
    object_key,
    version_id,
    ${layer} AS layer,
    sha256,
    size_bytes,
    etag,
    content_type,
    last_modified,
    written_at,
    event_name,
    event_time,
    request_id,
    principal_id,
    source_ip,
    sequencer,
    recorded_at,
    recorder_function,
    recorder_code_sha256,
    recorder_version,
    key_id,
    receipt_uri
FROM dated_receipts
WHERE
    subject_name = concat('s3://', bucket_name, '/', object_key)
    AND receipt_uri = concat(
        's3://${provenance_bucket}/',
        CASE
            WHEN length(to_utf8(plain_key)) <= 1024 THEN plain_key
            ELSE concat(
                'provenance/_long/',
                lower(to_hex(sha256(to_utf8(concat(bucket_name, chr(10), object_key, chr(10), version_id))))),
                '.json'
            )
        END
    )
