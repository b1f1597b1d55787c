-- Who called what in the account, as the rules of sql/anomalies see it? One row per record of the trail, of every
-- service that it logs, with the few columns that a rule decides on.
--
-- A narrow view: nothing is sorted or joined, so that one scan serves many rules. A record that was delivered twice is
-- there twice (with one evidence). event_date is the day of delivery, as in cloudtrail_s3_events_flattened. Addenda and
-- records of other categories than Data and Management are left out, as there.
--
-- subject is what the call was for: s3://bucket, the ARN of a key, or the trail, function, queue, topic, alarm,
-- dashboard or rule as the caller named it; the service, if it named none, or several. principal is a role for sessions
-- of roles, a person's session for people (their session names are names of persons), else the user; (anonymous),
-- another account's principal, or the service that called for itself.
-- network is the /24 of an IPv4 address, the first three groups of an IPv6 address, the VPC endpoint, or the service.
-- is_ipv4: source_ip is an IPv4 address, and not one within a VPC.
-- request is CloudTrail's requestParameters, JSON; detail is the call in words, to be shown.
--
-- @column event_date date
-- @column event_time timestamp
-- @column event_name varchar
-- @column event_source varchar
-- @column event_category varchar
-- @column subject varchar
-- @column principal varchar
-- @column source_ip varchar
-- @column network varchar
-- @column is_ipv4 boolean
-- @column error_code varchar
-- @column detail varchar
-- @column evidence varchar
-- @column bucket_name varchar
-- @column object_key varchar
-- @column layer varchar
-- @column role_arn varchar
-- @column user_type varchar
-- @column user_account_id varchar
-- @column access_key_id varchar
-- @column invoked_by varchar
-- @column request varchar
-- @column is_foreign boolean
WITH calls AS (
    SELECT
        cast(replace(delivery_day, '/', '-') AS date) AS event_date,
        cast(try(from_iso8601_timestamp(eventtime)) AT TIME ZONE 'UTC' AS timestamp) AS event_time,
        eventname AS event_name,
        eventsource AS event_source,
        coalesce(eventcategory, 'Data') AS event_category,
        sourceipaddress AS source_ip,
        vpcendpointid,
        errorcode AS error_code,
        coalesce(eventid, requestid, '') AS evidence,
        requestparameters AS request,
        json_extract_scalar(requestparameters, '$.bucketName') AS bucket_name,
        json_extract_scalar(requestparameters, '$.key') AS object_key,
        CASE
            WHEN eventsource = 'kms.amazonaws.com'
                THEN coalesce(
                    element_at(resources, 1).arn,
                    json_extract_scalar(requestparameters, '$.keyId')
                )
            WHEN eventsource <> 's3.amazonaws.com'
                THEN coalesce(
                    json_extract_scalar(requestparameters, '$.trailName'),
                    json_extract_scalar(requestparameters, '$.name'),
                    json_extract_scalar(requestparameters, '$.functionName'),
                    json_extract_scalar(requestparameters, '$.queueUrl'),
                    json_extract_scalar(requestparameters, '$.topicArn'),
                    json_extract_scalar(requestparameters, '$.alarmName'),
                    json_extract_scalar(requestparameters, '$.dashboardName'),
                    json_extract_scalar(requestparameters, '$.rule')
                )
        END AS named,
        useridentity.type AS user_type,
        useridentity.accountid AS user_account_id,
        useridentity.arn AS user_arn,
        useridentity.principalid AS principal_id,
        useridentity.accesskeyid AS access_key_id,
        useridentity.invokedby AS invoked_by,
        useridentity.sessioncontext.sessionissuer.arn AS role_arn
    FROM cloudtrail_s3_events
    WHERE
        coalesce(eventcategory, 'Data') IN ('Data', 'Management')
        AND addendum.originaleventid IS NULL
        AND addendum.originalrequestid IS NULL
        AND coalesce(addendum.reason, '') <> 'UPDATED_DATA'
)

SELECT
    event_date,
    event_time,
    event_name,
    event_source,
    event_category,
    coalesce(concat('s3://', bucket_name), named, event_source) AS subject,
    CASE
        WHEN user_account_id = 'ANONYMOUS_PRINCIPAL' THEN '(anonymous)'
        WHEN regexp_like(user_arn, ${people_session}) THEN user_arn
        ELSE coalesce(
            role_arn,
            user_arn,
            nullif(concat_ws('/', user_account_id, nullif(principal_id, '')), ''),
            invoked_by
        )
    END AS principal,
    source_ip,
    CASE
        WHEN vpcendpointid IS NOT NULL THEN vpcendpointid
        WHEN regexp_like(source_ip, '^[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}$')
            THEN regexp_replace(source_ip, '[.][0-9]+$', '.0/24')
        WHEN strpos(source_ip, ':') > 0
            THEN nullif(regexp_extract(lower(source_ip), '^([0-9a-f]*:[0-9a-f]*:[0-9a-f]*)', 1), '')
        ELSE source_ip
    END AS network,
    vpcendpointid IS NULL
    AND coalesce(regexp_like(source_ip, '^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+$'), FALSE) AS is_ipv4,
    error_code,
    substr(concat_ws(' ', event_name, error_code, request), 1, 400) AS detail,
    evidence,
    bucket_name,
    object_key,
    ${layer} AS layer,
    role_arn,
    user_type,
    user_account_id,
    access_key_id,
    invoked_by,
    request,
    user_account_id = 'ANONYMOUS_PRINCIPAL'
    OR coalesce(user_account_id NOT IN (${trail_account_literals}), FALSE) AS is_foreign
FROM calls
