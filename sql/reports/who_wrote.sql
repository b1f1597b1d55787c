-- Who wrote each version of this object, and is it proven? Put the object's bucket and key into asked.
WITH asked (bucket_name, object_key) AS (
    VALUES (${raw_data_bucket}, 'incoming/customers.csv')
)

SELECT
    ledger.event_time,
    ledger.event_name,
    ledger.version_id,
    ledger.user_name,
    ledger.user_arn,
    ledger.invoked_by,
    ledger.source_ip,
    ledger.user_agent,
    ledger.sha256,
    ledger.size_bytes,
    ledger.match_basis,
    ledger.status
FROM provenance_ledger AS ledger
INNER JOIN asked
    ON
        ledger.bucket_name = asked.bucket_name
        AND ledger.object_key = asked.object_key
ORDER BY ledger.event_time DESC, ledger.version_id ASC
