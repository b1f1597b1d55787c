-- What did the recorder sign? One row per receipt: the DSSE envelope as stored in the provenance bucket.
-- A file that is not JSON gives a row of NULLs instead of failing every query; object_receipts leaves it out, and
-- `custody verify`, which reads the files directly, reports it.
CREATE EXTERNAL TABLE receipt_envelopes (
    payloadtype STRING,
    payload STRING,
    signatures ARRAY<STRUCT<keyid: STRING, sig: STRING>>
)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES (
    'case.insensitive' = 'true',
    'ignore.malformed.json' = 'true'
)
STORED AS INPUTFORMAT 'org.apache.hadoop.mapred.TextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 's3://${provenance_bucket}/provenance/'
TBLPROPERTIES (
    'classification' = 'json'
)
