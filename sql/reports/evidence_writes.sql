-- What was done or attempted with the evidence in the last 30 days, apart from the recorder's and the sealer's writing?
SELECT
    eventtime AS event_time,
    eventname AS event_name,
    bucket_name,
    object_key,
    version_id,
    deletion,
    caller,
    user_arn,
    user_account_id,
    invoked_by,
    sourceipaddress AS source_ip,
    errorcode AS error_code
FROM cloudtrail_s3_events_flattened
WHERE
    event_date >= current_date - INTERVAL '30' DAY
    AND layer = 'provenance'
    AND access IN ('write', 'delete', 'change')
    AND NOT (coalesce(role_arn, '') IN (${recorder_role_arns}, ${sealer_role_arn}) AND eventname = 'PutObject')
ORDER BY eventtime DESC, eventid ASC
