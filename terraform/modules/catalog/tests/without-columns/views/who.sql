-- Who was it?
--
SELECT
    ${layer} AS name
FROM events
WHERE
    ${is_recorded}
    AND role IN (${recorder_role_arns})
    AND age < INTERVAL '${watermark_minutes}' MINUTE
