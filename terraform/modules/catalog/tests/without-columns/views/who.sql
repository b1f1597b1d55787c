-- Who was it?
--
SELECT
    ${layer} AS name
FROM events
WHERE
    ${is_recorded}
    AND role = ${recorder_role_arn}
    AND age < INTERVAL '${watermark_minutes}' MINUTE
