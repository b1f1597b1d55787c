-- Who called S3 for what, when and from where? One row per event, with its nested fields as columns.
--
-- CloudTrail's log is shown as found: its digests are not read here, so a record that was changed in the bucket is
-- shown changed. provenance_ledger compares writes with the signed receipts.
-- CloudTrail's top-level fields keep their names (eventtime, eventname, ...); nested fields have new ones.
-- event_date is the day of delivery, not of the event: it depends only on the partition delivery_day, so that a
-- filter on it is decided for each partition and a query about a day reads only that day's files. An event just
-- before midnight is delivered on the next day.
-- Records of the categories Data and Management are events. Aggregated, network activity and Insights records are
-- not, and neither is an addendum that repeats an event with corrected fields (one whose reason is a late delivery
-- is the only record of its event). CloudTrail may deliver an event twice: equal records are one row per day of
-- delivery (the window is partitioned by that day, so that filters on it pass), and provenance_ledger also reads the
-- neighbouring days. Different records with one eventid are separate rows, so that none hides another.
-- in_ledger: the event is a row of provenance_ledger; all others are rows of object_access. The recorder's own
-- receipts, and the sealer's log and segments, are evidence, not writes to be proven.
--
-- user_name is the caller's name in the account of this trail: the session name for people with a role session
-- (Identity Center's or the kit's) or a federated session, else the name of the user or role. A caller of another
-- account has none. caller is a text for every caller: the name, the ARN, or account and principal id.
-- deletion: marker_set (the object looks deleted, all versions are there) | version_destroyed | marker_removed (the
-- object is back) | batch (DeleteObjects: its keys are not in the trail). It is NULL if nothing was deleted.
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
-- @column user_account_id varchar
-- @column on_behalf_of_user_id varchar
-- @column identity_store_arn varchar
-- @column caller varchar
-- @column deletion varchar
-- @column eventsource varchar
-- @column eventtype varchar
-- @column eventcategory varchar
-- @column readonly varchar
WITH records AS (
    SELECT
        eventname,
        eventid,
        requestid,
        awsregion,
        eventsource,
        eventtype,
        eventcategory,
        readonly,
        sourceipaddress,
        useragent,
        vpcendpointid,
        errorcode,
        errormessage,
        cast(replace(delivery_day, '/', '-') AS date) AS event_date,
        cast(try(from_iso8601_timestamp(eventtime)) AT TIME ZONE 'UTC' AS timestamp) AS eventtime,
        CASE
            WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'PostObject') THEN 'write'
            WHEN eventname IN ('DeleteObject', 'DeleteObjects') THEN 'delete'
            WHEN starts_with(eventname, 'List') THEN 'list'
            WHEN readonly = 'true' THEN 'read'
            ELSE 'change'
        END AS access,
        CASE
            WHEN errorcode IS NOT NULL THEN NULL
            WHEN eventname = 'DeleteObjects' THEN 'batch'
            WHEN eventname <> 'DeleteObject' THEN NULL
            WHEN json_extract_scalar(requestparameters, '$.versionId') IS NULL THEN 'marker_set'
            WHEN json_extract_scalar(responseelements, '$["x-amz-delete-marker"]') = 'true' THEN 'marker_removed'
            ELSE 'version_destroyed'
        END AS deletion,
        json_extract_scalar(requestparameters, '$.bucketName') AS bucket_name,
        json_extract_scalar(requestparameters, '$.key') AS object_key,
        coalesce(
            json_extract_scalar(responseelements, '$["x-amz-version-id"]'),
            json_extract_scalar(requestparameters, '$.versionId')
        ) AS version_id,
        json_extract_scalar(requestparameters, '$["x-amz-copy-source"]') AS copy_source,
        -- CloudTrail writes numbers with or without a fraction (25701.0).
        try_cast(
            try_cast(json_extract_scalar(additionaleventdata, '$.bytesTransferredIn') AS double) AS bigint
        ) AS bytes_in,
        try_cast(
            try_cast(json_extract_scalar(additionaleventdata, '$.bytesTransferredOut') AS double) AS bigint
        ) AS bytes_out,
        useridentity.type AS user_type,
        useridentity.arn AS user_arn,
        coalesce(
            nullif(regexp_extract(useridentity.arn, ${people_session}, 1), ''),
            nullif(regexp_extract(useridentity.arn, ':federated-user/(.+)$', 1), ''),
            useridentity.username,
            useridentity.sessioncontext.sessionissuer.username
        ) AS own_name,
        useridentity.accountid AS user_account_id,
        -- A service that acts for itself has no account.
        coalesce(useridentity.accountid NOT IN (${trail_account_literals}), FALSE)
        OR coalesce(
            nullif(regexp_extract(useridentity.arn, '^arn:[^:]*:[^:]*::([0-9]+):', 1), '')
            NOT IN (${trail_account_literals}),
            FALSE
        ) AS is_foreign,
        useridentity.principalid AS principal_id,
        useridentity.sessioncontext.sessionissuer.arn AS role_arn,
        useridentity.invokedby AS invoked_by,
        useridentity.onbehalfof.userid AS on_behalf_of_user_id,
        useridentity.onbehalfof.identitystorearn AS identity_store_arn
    FROM cloudtrail_s3_events
    WHERE
        eventsource = 's3.amazonaws.com'
        -- Records of older versions have no category.
        AND coalesce(eventcategory, 'Data') IN ('Data', 'Management')
        AND addendum.originaleventid IS NULL
        AND addendum.originalrequestid IS NULL
        AND coalesce(addendum.reason, '') <> 'UPDATED_DATA'
),

deliveries AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY
                event_date,
                eventid,
                requestid,
                eventname,
                eventtime,
                bucket_name,
                object_key,
                version_id,
                bytes_in,
                user_arn,
                principal_id,
                user_account_id,
                sourceipaddress,
                errorcode
            ORDER BY useragent
        ) AS delivery
    FROM records
),

placed_events AS (
    SELECT
        *,
        CASE WHEN NOT is_foreign THEN own_name END AS user_name,
        ${layer} AS layer
    FROM deliveries
    WHERE delivery = 1
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
    AND coalesce(eventcategory, 'Data') = 'Data'
    AND (
        layer IN ('bronze', 'silver', 'gold', 'adopted')
        OR (
            layer = 'provenance'
            AND (
                coalesce(role_arn, '') NOT IN (${recorder_role_arns})
                OR NOT starts_with(coalesce(object_key, ''), 'provenance/')
            )
            AND (
                coalesce(role_arn, '') <> ${sealer_role_arn}
                OR NOT regexp_like(coalesce(object_key, ''), '^(log|segments)/')
            )
        )
    ) AS in_ledger,
    user_account_id,
    on_behalf_of_user_id,
    identity_store_arn,
    -- No name in AWS contains brackets.
    CASE
        WHEN user_account_id = 'ANONYMOUS_PRINCIPAL' THEN '(anonymous)'
        ELSE coalesce(
            user_name,
            user_arn,
            nullif(concat_ws('/', user_account_id, nullif(principal_id, '')), ''),
            invoked_by
        )
    END AS caller,
    deletion,
    eventsource,
    eventtype,
    eventcategory,
    readonly
FROM placed_events
