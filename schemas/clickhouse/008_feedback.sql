-- Why each entry of an overlay ended, as streams told it; the same end stands in several overlays.
ALTER TABLE nameward.overlays
    ADD COLUMN IF NOT EXISTS `ended.id` Array(String),
    ADD COLUMN IF NOT EXISTS `ended.created` Array(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS `ended.ended` Array(DateTime64(6, 'UTC')),
    ADD COLUMN IF NOT EXISTS `ended.ending` Array(String);

-- Every entry that was ever in force, its last form, and its end: as streams told it, else as the next overlay shows it.
CREATE OR REPLACE VIEW nameward.overlay_history AS
SELECT
    `tenant`, `id`, `pattern`, `action`, `mode`, `severity`, `detector`, `reason`, `created`, `expires`,
    multiIf(`told` > `created`, `told`, `next` IS NOT NULL, least(assumeNotNull(`next`), `expires`), `expires` <= now64(6), `expires`, NULL) AS `ended`,
    multiIf(`why` != '', `why`, `ended` IS NULL, '', `ended` < `expires`, 'withdrawn', 'expired') AS `ending`
FROM
(
    SELECT
        e.`tenant` AS `tenant`, e.`id` AS `id`, e.`pattern` AS `pattern`, e.`action` AS `action`, e.`mode` AS `mode`, e.`severity` AS `severity`,
        e.`detector` AS `detector`, e.`reason` AS `reason`, e.`created` AS `created`, e.`expires` AS `expires`,
        arrayFirstOrNull(change -> change.1 > e.`latest`, w.`changes`).2 AS `next`, t.`told` AS `told`, t.`why` AS `why`
    FROM
    (
        SELECT
            `tenant`, `entries.id` AS `id`, `entries.created` AS `created`, max(`version`) AS `latest`,
            argMax(`entries.pattern`, `version`) AS `pattern`, argMax(`entries.action`, `version`) AS `action`,
            argMax(`entries.mode`, `version`) AS `mode`, argMax(`entries.severity`, `version`) AS `severity`,
            argMax(`entries.detector`, `version`) AS `detector`, argMax(`entries.reason`, `version`) AS `reason`,
            argMax(`entries.expires`, `version`) AS `expires`
        FROM nameward.overlays
        ARRAY JOIN `entries.id`, `entries.created`, `entries.pattern`, `entries.action`, `entries.mode`, `entries.severity`,
                   `entries.detector`, `entries.reason`, `entries.expires`
        GROUP BY `tenant`, `id`, `created`
    ) AS e
    INNER JOIN
    (
        SELECT `tenant`, arraySort(groupArray((`version`, `changed`))) AS `changes` FROM nameward.overlays GROUP BY `tenant`
    ) AS w ON e.`tenant` = w.`tenant`
    LEFT JOIN
    (
        SELECT `tenant`, `ended.id` AS `id`, `ended.created` AS `created`, max(`ended.ended`) AS `told`, any(`ended.ending`) AS `why`
        FROM nameward.overlays
        ARRAY JOIN `ended.id`, `ended.created`, `ended.ended`, `ended.ending`
        GROUP BY `tenant`, `id`, `created`
    ) AS t ON e.`tenant` = t.`tenant` AND e.`id` = t.`id` AND e.`created` = t.`created`
);
