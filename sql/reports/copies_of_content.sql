-- Where else are the bytes of this object, by their SHA-256? Put the object's bucket and key into asked.
WITH asked (bucket_name, object_key) AS (
    VALUES (${raw_data_bucket}, 'incoming/customers.csv')
),

contents AS (
    SELECT DISTINCT receipts.sha256
    FROM object_receipts AS receipts
    INNER JOIN asked
        ON
            receipts.bucket_name = asked.bucket_name
            AND receipts.object_key = asked.object_key
)

SELECT
    receipts.sha256,
    receipts.written_at,
    receipts.layer,
    receipts.bucket_name,
    receipts.object_key,
    receipts.version_id,
    receipts.size_bytes,
    receipts.receipt_uri
FROM object_receipts AS receipts
INNER JOIN contents ON receipts.sha256 = contents.sha256
ORDER BY receipts.sha256, receipts.written_at, receipts.receipt_uri
