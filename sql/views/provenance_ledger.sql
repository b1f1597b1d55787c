-- Who wrote each object version, and is it proven? One row per version written: the trail's event with its receipt,
-- and what is only on one side.
--
-- ledger_evidence describes how the sides are paired, what the statuses mean and which day a row belongs to. It has the
-- same rows with the values of each side, and with the contradictions that make a mismatch.
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
SELECT
    event_date,
    event_time,
    event_name,
    bucket_name,
    object_key,
    version_id,
    sha256,
    size_bytes,
    layer,
    user_arn,
    user_name,
    principal_id,
    invoked_by,
    source_ip,
    user_agent,
    request_id,
    recorded_at,
    leaf_index,
    match_basis,
    status
FROM ledger_evidence
