-- Who deleted raw objects, or hid them under a delete marker?
-- Deletions by lifecycle rules are not in the trail.
--
-- @severity high
-- @why Raw objects are what every table can be made of again.
-- @runbook raw-deleted
-- @false_positives An erasure that was decided: custody verify says whether it was.
SELECT
    'raw-deleted' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND layer = 'bronze'
    AND event_name IN ('DeleteObject', 'DeleteObjects')
    AND error_code IS NULL
