-- Did somebody delete evidence, or try to?
--
-- @severity critical
-- @why Deleted evidence proves nothing any more: it is what hides everything else.
-- @runbook evidence-deleted
-- @false_positives None: nobody may, and nothing in the kit does.
SELECT
    'evidence-deleted' AS rule,
    event_time,
    subject,
    principal,
    source_ip,
    detail,
    evidence
FROM trail_calls
WHERE
    ${window}
    AND layer IN ('audit_log', 'provenance')
    AND event_name IN ('DeleteObject', 'DeleteObjects')
