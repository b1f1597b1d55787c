-- What happened?
-- And more.
CREATE EXTERNAL TABLE events (
    id STRING,
    who STRUCT<
        name: STRING,
        session: STRUCT<
            role: STRING,
            attributes: MAP <STRING, STRING>
        >
    >,
    resources ARRAY<STRUCT<arn: STRING>>,
    size BIGINT
)
PARTITIONED BY (
    region STRING,
    day STRING
)
ROW FORMAT SERDE 'org.example.SerDe'
WITH SERDEPROPERTIES (
    'ignore.malformed.json' = 'true'
)
STORED AS INPUTFORMAT 'org.example.Input'
OUTPUTFORMAT 'org.example.Output'
LOCATION 's3://${trail_bucket}/'
TBLPROPERTIES (
    'projection.enabled' = 'true',
    'projection.region.values' = '${trail_regions}',
    'projection.day.range' = '${trail_since},NOW',
    'storage.location.template' = 's3://${trail_bucket}/$${region}/$${day}'
)
