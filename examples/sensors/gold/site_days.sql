-- How warm it was at each site, by day. Readings of devices that no list has are of no site.
SELECT
    readings.reading_date,
    sites.site_id,
    sites.site_name,
    count(DISTINCT readings.device_id) AS devices,
    count(*) AS readings,
    max(readings.celsius) AS warmest,
    max(readings.celsius) >= sites.warns_from AS too_warm
FROM readings
INNER JOIN devices ON readings.device_id = devices.device_id
INNER JOIN sites ON devices.site_id = sites.site_id
GROUP BY readings.reading_date, sites.site_id, sites.site_name, sites.warns_from
