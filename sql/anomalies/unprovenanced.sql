-- Which writes have no receipt?
--
-- @severity high
-- @why Nobody can say by a signed receipt what was written; the gate hands it to no job.
-- @runbook unprovenanced
-- @false_positives A receipt that is late: the finding closes when it is there.
SELECT
    'unprovenanced' AS rule,
    event_time,
    concat('s3://', bucket_name, '/', object_key) AS subject,
    coalesce(user_arn, principal_id, invoked_by) AS principal,
    source_ip,
    concat_ws(' ', status, nullif(contradicts, ''), event_name, version_id) AS detail,
    coalesce(event_id, receipt_uri, '') AS evidence
FROM ledger_evidence
WHERE
    ${window}
    AND status = 'unprovenanced'
