-- Who read, listed, changed or deleted an object, or was denied? One row per event that is not a row of
-- provenance_ledger: reads, deletions, changes of tags and locks, uploaded parts, writes in other buckets, the
-- recorder's receipts, and every failed attempt (error_code).
--
-- access: read | list | write | delete | change. deletion: marker_set | version_destroyed | marker_removed | batch, as
-- in cloudtrail_s3_events_flattened. A batch (DeleteObjects) has no object_key: the trail does not log its keys.
-- Deletions by lifecycle rules are not in CloudTrail.
-- event_date is the day of delivery, as in cloudtrail_s3_events_flattened: a query about a day reads that day's files,
-- and an event delivered again on a later day is on both days (with one event_id).
--
-- @column event_date date
-- @column event_time timestamp
-- @column event_name varchar
-- @column access varchar
-- @column bucket_name varchar
-- @column object_key varchar
-- @column version_id varchar
-- @column layer varchar
-- @column bytes_out bigint
-- @column user_arn varchar
-- @column user_name varchar
-- @column principal_id varchar
-- @column invoked_by varchar
-- @column source_ip varchar
-- @column user_agent varchar
-- @column request_id varchar
-- @column event_id varchar
-- @column error_code varchar
-- @column error_message varchar
-- @column user_type varchar
-- @column user_account_id varchar
-- @column on_behalf_of_user_id varchar
-- @column caller varchar
-- @column deletion varchar
SELECT
    event_date,
    eventtime AS event_time,
    eventname AS event_name,
    access,
    bucket_name,
    object_key,
    version_id,
    layer,
    bytes_out,
    user_arn,
    user_name,
    principal_id,
    invoked_by,
    sourceipaddress AS source_ip,
    useragent AS user_agent,
    requestid AS request_id,
    eventid AS event_id,
    errorcode AS error_code,
    errormessage AS error_message,
    user_type,
    user_account_id,
    on_behalf_of_user_id,
    caller,
    deletion
FROM cloudtrail_s3_events_flattened
WHERE NOT in_ledger
