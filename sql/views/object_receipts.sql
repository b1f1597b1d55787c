-- What do the receipts say? One row per sealed receipt.
--
-- The sealer makes the rows of receipts that have a signature and the right key: the key derived from their bucket,
-- key and version, as in `custody.evidence.objects`. Any other object below provenance/ is not a receipt. A view shows
-- what is written, it does not verify: `custody verify` checks signatures, and that the rows are those of the log.
-- written_at is when the object version was written: the time of the S3 event, or of the version itself if the
-- receipt was requested later (event_name Backfill). event_date is its day, but not before the ledger's first day, and
-- not after the day on which the receipt was sealed.
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
-- @column leaf_index bigint
SELECT
    cast(dt AS date) AS event_date,
    bucket_name,
    object_key,
    version_id,
    ${layer} AS layer,
    sha256,
    size_bytes,
    etag,
    content_type,
    cast(last_modified AS timestamp) AS last_modified,
    cast(written_at AS timestamp) AS written_at,
    event_name,
    cast(event_time AS timestamp) AS event_time,
    request_id,
    principal_id,
    source_ip,
    sequencer,
    cast(recorded_at AS timestamp) AS recorded_at,
    recorder_function,
    recorder_code_sha256,
    recorder_version,
    key_id,
    concat('s3://${provenance_bucket}/', receipt_key) AS receipt_uri,
    leaf_index
FROM receipt_segments
