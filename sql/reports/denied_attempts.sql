-- Who was denied in the last 30 days, for what, and how often?
-- caller distinguishes all callers: (anonymous) did not sign the request, and a caller of another account is given by
-- ARN, or by account and principal.
SELECT
    caller,
    user_type,
    user_arn,
    user_account_id,
    invoked_by,
    source_ip,
    event_name,
    bucket_name,
    error_code,
    count(*) AS attempts,
    count(DISTINCT object_key) AS distinct_keys,
    min(event_time) AS first_attempt,
    max(event_time) AS last_attempt
FROM object_access
WHERE
    event_date >= current_date - INTERVAL '30' DAY
    AND error_code IN ('AccessDenied', 'AllAccessDisabled', 'InvalidAccessKeyId', 'SignatureDoesNotMatch')
GROUP BY
    caller,
    user_type,
    user_arn,
    user_account_id,
    invoked_by,
    source_ip,
    event_name,
    bucket_name,
    error_code
ORDER BY attempts DESC, last_attempt DESC, caller ASC, event_name ASC
