-- What was deleted in the last 30 days, by whom, and is it gone or only hidden (deletion)?
-- marker_set: the object appears deleted, every version still exists, and version_id is the marker's.
-- version_destroyed: that version is permanently deleted. marker_removed: that marker is deleted, and the object is
-- back as before it. batch: DeleteObjects, for which the trail logs neither keys nor versions. NULL: the attempt
-- failed, see error_code. Deletions by lifecycle rules are not in the trail. Whether a deletion was decided beforehand
-- says custody verify.
SELECT
    event_time,
    deletion,
    layer,
    bucket_name,
    object_key,
    version_id,
    caller,
    user_arn,
    user_account_id,
    invoked_by,
    source_ip,
    error_code,
    request_id
FROM object_access
WHERE
    event_date >= current_date - INTERVAL '30' DAY
    AND access = 'delete'
ORDER BY event_time DESC, bucket_name ASC, object_key ASC, request_id ASC
