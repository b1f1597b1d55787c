-- What do the sealed receipts say? One row per receipt in the log, in files by the day of the write.
-- The sealer writes a file for each batch of the log and each day in it, with the fields of the receipts as columns,
-- and the receipt's leaf. What is not sealed yet is not here. `custody verify` compares the rows with the leaves.
CREATE EXTERNAL TABLE receipt_segments (
    leaf_index BIGINT,
    bucket_name STRING,
    object_key STRING,
    version_id STRING,
    sha256 STRING,
    size_bytes BIGINT,
    etag STRING,
    content_type STRING,
    last_modified STRING,
    written_at STRING,
    event_name STRING,
    event_time STRING,
    request_id STRING,
    principal_id STRING,
    source_ip STRING,
    sequencer STRING,
    recorded_at STRING,
    recorder_function STRING,
    recorder_code_sha256 STRING,
    recorder_version STRING,
    key_id STRING,
    receipt_key STRING
)
PARTITIONED BY (
    dt STRING
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://${provenance_bucket}/segments/'
TBLPROPERTIES (
    'classification' = 'json',
    'projection.enabled' = 'true',
    'projection.dt.type' = 'date',
    'projection.dt.format' = 'yyyy-MM-dd',
    'projection.dt.range' = '${ledger_since},NOW',
    'projection.dt.interval' = '1',
    'projection.dt.interval.unit' = 'DAYS',
    'storage.location.template' = 's3://${provenance_bucket}/segments/dt=$${dt}'
)
