-- For which writes of the last 30 days do trail and receipt differ, and where (contradicts)? With both sides' values.
-- The receipt is signed, the trail's records are as found: if the two differ in caller or source, somebody may have
-- changed the log. sql/views/ledger_evidence.sql explains each entry of contradicts.
SELECT
    event_time,
    contradicts,
    match_basis,
    layer,
    bucket_name,
    object_key,
    version_id,
    receipt_version_id,
    request_id,
    receipt_request_id,
    event_name,
    receipt_event_name,
    user_name,
    user_arn,
    principal_id,
    receipt_principal_id,
    source_ip,
    receipt_source_ip,
    bytes_in,
    size_bytes,
    receipt_event_time,
    last_modified,
    recorded_at,
    event_id,
    receipt_uri
FROM ledger_evidence
WHERE
    event_date >= current_date - INTERVAL '30' DAY
    AND status = 'mismatch'
ORDER BY event_time DESC, bucket_name ASC, object_key ASC, event_id ASC
