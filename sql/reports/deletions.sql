-- What was deleted in the last 30 days, by whom, and is it gone or does it only look so (deletion)?
-- marker_set: the object looks deleted, every version of it is there, and version_id is the marker's.
-- version_destroyed: that version is gone for good. marker_removed: that marker is gone, and the object is back as it
-- was before it. batch: DeleteObjects, of which the trail says neither keys nor versions. NULL: the attempt failed, see
-- error_code. What lifecycle rules deleted is not in the trail.
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
