-- Which writes of the last 30 days do trail and receipt tell differently, and in what (contradicts)? Both sides' words.
-- The receipt is signed, the trail's records are as they were found: where the two differ in who or from where,
-- somebody may have rewritten the log. What each entry of contradicts means is said in sql/views/ledger_evidence.sql.
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
