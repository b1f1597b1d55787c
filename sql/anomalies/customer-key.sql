-- Was an object written or copied under a customer-provided key (SSE-C), or was it tried?
--
-- @severity critical
-- @why Ransomware copies objects over themselves under a key of its own, and sells the key.
-- @runbook customer-key
-- @false_positives None: the bucket policies deny it.
SELECT
    'customer-key' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND layer <> 'unknown'
    AND json_extract_scalar(request, '$["x-amz-server-side-encryption-customer-algorithm"]') IS NOT NULL
    AND event_name IN ('CopyObject', 'CreateMultipartUpload', 'PutObject', 'UploadPart')
