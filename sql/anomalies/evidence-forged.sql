-- Was evidence written by anybody but the recorder and the sealer?
--
-- @severity critical
-- @why The ledger rests on evidence that nobody else could have written.
-- @runbook evidence-forged
-- @false_positives None: nobody else may.
SELECT
    'evidence-forged' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND layer = 'provenance'
    AND event_name IN ('CompleteMultipartUpload', 'CopyObject', 'PostObject', 'PutObject')
    AND error_code IS NULL
    AND (
        (starts_with(object_key, 'provenance/') AND coalesce(role_arn, '') NOT IN (${recorder_roles}))
        OR (regexp_like(object_key, '^(log|segments)/') AND coalesce(role_arn, '') <> ${sealer_role})
    )
