-- Did anybody but the recorder and the sealer sign with a signing key, or try to?
-- AWS calls Sign a read-only event (AWS KMS Developer Guide, "Sign"): only a trail that logs management reads has it.
--
-- @severity critical
-- @why A signature by anybody else makes a forged receipt or checkpoint look genuine.
-- @runbook signing-key-misused
-- @false_positives None: no other principal has a reason to.
SELECT
    'signing-key-misused' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND event_source = 'kms.amazonaws.com'
    AND event_name = 'Sign'
    AND (
        (subject IN (${receipt_keys}) AND coalesce(role_arn, '') NOT IN (${recorder_roles}))
        OR (subject IN (${log_keys}) AND coalesce(role_arn, '') <> ${sealer_role})
    )
