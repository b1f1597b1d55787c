-- What did CloudTrail log? One row per delivered record, as delivered: a record may be there twice.
-- The table that AWS documents for CloudTrail, partitioned by CloudTrail's folders. Parts of a record whose
-- structure varies from call to call (requestparameters, responseelements, additionaleventdata, ...) are JSON texts.
CREATE EXTERNAL TABLE cloudtrail_s3_events (
    eventversion STRING,
    useridentity STRUCT<
        type: STRING,
        principalid: STRING,
        arn: STRING,
        accountid: STRING,
        invokedby: STRING,
        accesskeyid: STRING,
        username: STRING,
        onbehalfof: STRUCT<userid: STRING, identitystorearn: STRING>,
        sessioncontext: STRUCT<
            attributes: STRUCT<mfaauthenticated: STRING, creationdate: STRING>,
            sessionissuer: STRUCT<type: STRING, principalid: STRING, arn: STRING, accountid: STRING, username: STRING>,
            ec2roledelivery: STRING,
            webidfederationdata: STRUCT<federatedprovider: STRING, attributes: MAP <STRING, STRING>>
        >
    >,
    eventtime STRING,
    eventsource STRING,
    eventname STRING,
    awsregion STRING,
    sourceipaddress STRING,
    useragent STRING,
    errorcode STRING,
    errormessage STRING,
    requestparameters STRING,
    responseelements STRING,
    additionaleventdata STRING,
    requestid STRING,
    eventid STRING,
    readonly STRING,
    resources ARRAY<STRUCT<arn: STRING, accountid: STRING, type: STRING>>,
    eventtype STRING,
    apiversion STRING,
    recipientaccountid STRING,
    serviceeventdetails STRING,
    sharedeventid STRING,
    vpcendpointid STRING,
    vpcendpointaccountid STRING,
    eventcategory STRING,
    sessioncredentialfromconsole STRING,
    addendum STRUCT<reason: STRING, updatedfields: STRING, originalrequestid: STRING, originaleventid: STRING>,
    tlsdetails STRUCT<tlsversion: STRING, ciphersuite: STRING, clientprovidedhostheader: STRING>
)
PARTITIONED BY (
    account STRING,
    region STRING,
    delivery_day STRING
)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://${trail_bucket}/${trail_root}'
TBLPROPERTIES (
    'classification' = 'cloudtrail',
    'projection.enabled' = 'true',
    'projection.account.type' = 'enum',
    'projection.account.values' = '${trail_accounts}',
    'projection.region.type' = 'enum',
    'projection.region.values' = '${trail_regions}',
    'projection.delivery_day.type' = 'date',
    'projection.delivery_day.format' = 'yyyy/MM/dd',
    'projection.delivery_day.range' = '${trail_since},NOW',
    'projection.delivery_day.interval' = '1',
    'projection.delivery_day.interval.unit' = 'DAYS',
    'storage.location.template' = 's3://${trail_bucket}/${trail_root}$${account}/CloudTrail/$${region}/$${delivery_day}'
)
