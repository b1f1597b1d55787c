-- What did CloudTrail write down? One row per delivered record, as delivered: a record may be there twice.
-- The table AWS documents for CloudTrail, partitioned by the folders CloudTrail writes. Parts of a record whose
-- shape varies from call to call (requestparameters, responseelements, additionaleventdata, ...) are JSON texts.
CREATE EXTERNAL TABLE cloudtrail_s3_events (
    eventversion string,
    useridentity struct<
        type:string,
        principalid:string,
        arn:string,
        accountid:string,
        invokedby:string,
        accesskeyid:string,
        username:string,
        onbehalfof:struct<userid:string,identitystorearn:string>,
        sessioncontext:struct<
            attributes:struct<mfaauthenticated:string,creationdate:string>,
            sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>,
            ec2roledelivery:string,
            webidfederationdata:struct<federatedprovider:string,attributes:map<string,string>>>>,
    eventtime string,
    eventsource string,
    eventname string,
    awsregion string,
    sourceipaddress string,
    useragent string,
    errorcode string,
    errormessage string,
    requestparameters string,
    responseelements string,
    additionaleventdata string,
    requestid string,
    eventid string,
    readonly string,
    resources array<struct<arn:string,accountid:string,type:string>>,
    eventtype string,
    apiversion string,
    recipientaccountid string,
    serviceeventdetails string,
    sharedeventid string,
    vpcendpointid string,
    vpcendpointaccountid string,
    eventcategory string,
    sessioncredentialfromconsole string,
    tlsdetails struct<tlsversion:string,ciphersuite:string,clientprovidedhostheader:string>
)
PARTITIONED BY (
    account string,
    region string,
    delivery_day string
)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://${trail_bucket}/AWSLogs/'
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
    'storage.location.template' = 's3://${trail_bucket}/AWSLogs/$${account}/CloudTrail/$${region}/$${delivery_day}'
)
