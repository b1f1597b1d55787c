-- Was a key of the kit disabled, scheduled for deletion, granted or given another policy, or was it tried?
--
-- @severity critical
-- @why Without the key, its data cannot be read, or others can read it or sign with it.
-- @runbook key-weakened
-- @false_positives A deployment that changes a key policy.
SELECT
    'key-weakened' AS rule,
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
    AND event_name IN (
        'CancelKeyDeletion',
        'CreateGrant',
        'DeleteImportedKeyMaterial',
        'DisableKey',
        'DisableKeyRotation',
        'PutKeyPolicy',
        'ScheduleKeyDeletion'
    )
    -- A service grants itself what it needs of a key, for whoever makes its resource.
    AND NOT (event_name = 'CreateGrant' AND invoked_by IS NOT NULL)
    AND subject IN (${keys})
