-- Who asked S3 for what, when and from where? One row per event, with what lies nested in it as columns.
--
-- What CloudTrail names keeps its name (eventtime, eventname, ...); what is taken from within has its own.
-- event_date is the day of delivery, not of the event: a function of the partition delivery_day alone, so that
-- a filter on it is decided partition by partition and a day's question reads that day's files. An event of
-- just before midnight is delivered on the next day.
-- CloudTrail may deliver an event twice; both have one eventid. Here it is one row a day of delivery (the window
-- is partitioned by that day, or no filter on it could pass): provenance_ledger looks back over midnight as well.
-- in_ledger: the event is a row of provenance_ledger; all others are rows of object_access. The recorder's own
-- receipts are evidence, not writes to be proven.
--
-- @column event_date date
-- @column eventtime timestamp
-- @column eventname varchar
-- @column eventid varchar
-- @column requestid varchar
-- @column awsregion varchar
-- @column access varchar
-- @column bucket_name varchar
-- @column object_key varchar
-- @column version_id varchar
-- @column copy_source varchar
-- @column layer varchar
-- @column bytes_in bigint
-- @column bytes_out bigint
-- @column user_type varchar
-- @column user_arn varchar
-- @column user_name varchar
-- @column principal_id varchar
-- @column role_arn varchar
-- @column invoked_by varchar
-- @column sourceipaddress varchar
-- @column useragent varchar
-- @column vpcendpointid varchar
-- @column errorcode varchar
-- @column errormessage varchar
-- @column in_ledger boolean
WITH deliveries AS (
    SELECT
        delivery_day,
        eventtime,
        eventname,
        eventid,
        requestid,
        awsregion,
        readonly,
        requestparameters,
        responseelements,
        additionaleventdata,
        useridentity,
        sourceipaddress,
        useragent,
        vpcendpointid,
        errorcode,
        errormessage,
        row_number() OVER (PARTITION BY delivery_day, eventid ORDER BY eventtime) AS delivery
    FROM cloudtrail_s3_events
    WHERE eventsource = 's3.amazonaws.com'
),

events AS (
    SELECT
        eventname,
        eventid,
        requestid,
        awsregion,
        sourceipaddress,
        useragent,
        vpcendpointid,
        errorcode,
        errormessage,
        cast(replace(delivery_day, '/', '-') AS date) AS event_date,
        cast(from_iso8601_timestamp(eventtime) AT TIME ZONE 'UTC' AS timestamp) AS eventtime,
        CASE
            WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'PostObject') THEN 'write'
            WHEN eventname IN ('DeleteObject', 'DeleteObjects') THEN 'delete'
            WHEN starts_with(eventname, 'List') THEN 'list'
            WHEN readonly = 'true' THEN 'read'
            ELSE 'change'
        END AS access,
        json_extract_scalar(requestparameters, '$.bucketName') AS bucket_name,
        json_extract_scalar(requestparameters, '$.key') AS object_key,
        coalesce(
            json_extract_scalar(responseelements, '$["x-amz-version-id"]'),
            json_extract_scalar(requestparameters, '$.versionId')
        ) AS version_id,
        json_extract_scalar(requestparameters, '$["x-amz-copy-source"]') AS copy_source,
        -- CloudTrail writes numbers with or without a fraction (25701.0).
        cast(
            try_cast(json_extract_scalar(additionaleventdata, '$.bytesTransferredIn') AS double) AS bigint
        ) AS bytes_in,
        cast(
            try_cast(json_extract_scalar(additionaleventdata, '$.bytesTransferredOut') AS double) AS bigint
        ) AS bytes_out,
        useridentity.type AS user_type,
        useridentity.arn AS user_arn,
        -- A person who came in through IAM Identity Center, or by a role for people, is the name of the role's session.
        coalesce(
            nullif(regexp_extract(useridentity.arn, ${people_session}, 1), ''),
            useridentity.username,
            useridentity.sessioncontext.sessionissuer.username
        ) AS user_name,
        useridentity.principalid AS principal_id,
        useridentity.sessioncontext.sessionissuer.arn AS role_arn,
        useridentity.invokedby AS invoked_by
    FROM deliveries
    WHERE delivery = 1
),

placed_events AS (
    SELECT
        *,
        ${layer} AS layer
    FROM events
)

SELECT
    event_date,
    eventtime,
    eventname,
    eventid,
    requestid,
    awsregion,
    access,
    bucket_name,
    object_key,
    version_id,
    copy_source,
    layer,
    bytes_in,
    bytes_out,
    user_type,
    user_arn,
    user_name,
    principal_id,
    role_arn,
    invoked_by,
    sourceipaddress,
    useragent,
    vpcendpointid,
    errorcode,
    errormessage,
    access = 'write'
    AND errorcode IS NULL
    AND (
        layer IN ('bronze', 'silver', 'gold')
        OR (
            layer = 'provenance'
            AND (
                coalesce(role_arn, '') <> ${recorder_role_arn}
                OR NOT starts_with(coalesce(object_key, ''), 'provenance/')
            )
        )
    ) AS in_ledger
FROM placed_events
