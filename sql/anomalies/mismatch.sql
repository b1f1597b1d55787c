-- Which receipts contradict the trail, in who, from where, what, how large or when?
--
-- @severity critical
-- @why The trail or the receipt is false: one of the two was changed.
-- @runbook mismatch
-- @false_positives None known: both sides are written by AWS and the recorder.
SELECT
    'mismatch' AS rule,
    event_time,
    concat('s3://', bucket_name, '/', object_key) AS subject,
    coalesce(user_arn, principal_id, invoked_by) AS principal,
    source_ip,
    concat_ws(' ', status, nullif(contradicts, ''), event_name, version_id) AS detail,
    coalesce(event_id, receipt_uri, '') AS evidence
FROM ledger_evidence
WHERE
    ${window}
    AND status = 'mismatch'
