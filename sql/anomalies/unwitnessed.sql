-- Which receipts have no event in the trail?
--
-- @severity high
-- @why The trail has lost the write, or the receipt is of a write that never was.
-- @runbook unwitnessed
-- @false_positives An event that CloudTrail delivers late: the finding closes when it is there.
SELECT
    'unwitnessed' AS rule,
    event_time,
    concat('s3://', bucket_name, '/', object_key) AS subject,
    coalesce(user_arn, principal_id, invoked_by) AS principal,
    source_ip,
    concat_ws(' ', status, nullif(contradicts, ''), event_name, version_id) AS detail,
    coalesce(event_id, receipt_uri, '') AS evidence
FROM ledger_evidence
WHERE
    ${window}
    AND status = 'unwitnessed'
    AND NOT (${is_older_than_adoption})
