-- Who was it?
--
-- @column name varchar
-- @column at timestamp
-- @column size bigint
SELECT
    ${layer} AS name
FROM events
WHERE
    ${is_recorded}
    AND role = ${recorder_role_arn}
    AND age < INTERVAL '${watermark_minutes}' MINUTE
