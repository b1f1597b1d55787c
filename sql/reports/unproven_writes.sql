-- Which writes of the last 7 days are not proven, and why?
SELECT
    event_time,
    status,
    contradicts,
    match_basis,
    layer,
    bucket_name,
    object_key,
    version_id,
    event_name,
    user_name,
    user_arn,
    user_account_id,
    source_ip,
    request_id,
    recorded_at
FROM ledger_evidence
WHERE
    event_date >= current_date - INTERVAL '7' DAY
    AND status NOT IN ('verified', 'pending')
ORDER BY event_time DESC, bucket_name ASC, object_key ASC
