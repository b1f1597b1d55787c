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
    AND role IN (${recorder_role_arns})
    AND age < INTERVAL '${watermark_minutes}' MINUTE
