-- Views named for the questions of analysts. All begin with `tenant`: with a filter on it they read that tenant's part of a roll-up only.
CREATE OR REPLACE VIEW nameward.traffic_1m AS
SELECT
    `tenant`, `workload`, `time`, `queries`, `denied`, `nxdomain`, `servfail`, `cached`, `clients`, `names`, `bytes_in`, `bytes_out`,
    round(`q`[1]) AS `p50_us`, round(`q`[2]) AS `p90_us`, round(`q`[3]) AS `p99_us`
FROM
(
    SELECT
        `tenant`, `workload`, `time`, sum(t.`queries`) AS `queries`, sum(t.`denied`) AS `denied`, sum(t.`nxdomain`) AS `nxdomain`,
        sum(t.`servfail`) AS `servfail`, sum(t.`cached`) AS `cached`, uniqCombined64Merge(12)(t.`clients`) AS `clients`,
        uniqCombined64Merge(12)(t.`names`) AS `names`, sum(t.`bytes_in`) AS `bytes_in`, sum(t.`bytes_out`) AS `bytes_out`,
        quantilesBFloat16Merge(0.5, 0.9, 0.99)(t.`latency`) AS `q`
    FROM nameward.traffic_minutes AS t
    GROUP BY `tenant`, `workload`, `time`
);

CREATE OR REPLACE VIEW nameward.traffic_1h AS
SELECT
    `tenant`, `workload`, `time`, `queries`, `denied`, `nxdomain`, `servfail`, `cached`, `clients`, `names`, `bytes_in`, `bytes_out`,
    round(`q`[1]) AS `p50_us`, round(`q`[2]) AS `p90_us`, round(`q`[3]) AS `p99_us`
FROM
(
    SELECT
        `tenant`, `workload`, `time`, sum(t.`queries`) AS `queries`, sum(t.`denied`) AS `denied`, sum(t.`nxdomain`) AS `nxdomain`,
        sum(t.`servfail`) AS `servfail`, sum(t.`cached`) AS `cached`, uniqCombined64Merge(12)(t.`clients`) AS `clients`,
        uniqCombined64Merge(12)(t.`names`) AS `names`, sum(t.`bytes_in`) AS `bytes_in`, sum(t.`bytes_out`) AS `bytes_out`,
        quantilesBFloat16Merge(0.5, 0.9, 0.99)(t.`latency`) AS `q`
    FROM nameward.traffic_hours AS t
    GROUP BY `tenant`, `workload`, `time`
);

CREATE OR REPLACE VIEW nameward.who_asked AS
SELECT
    `tenant`, `registered_domain`, `qname`, `workload`, `client`, sum(t.`queries`) AS `queries`, sum(t.`denied`) AS `denied`,
    min(t.`first_asked`) AS `first_asked`, max(t.`last_asked`) AS `last_asked`
FROM nameward.names_asked AS t
GROUP BY `tenant`, `registered_domain`, `qname`, `workload`, `client`;

-- `rule` is empty where the tenant's default denied.
CREATE OR REPLACE VIEW nameward.denied_by_rule AS
SELECT
    `tenant`, `hour`, `rule`, `tier`, `workload`, sum(t.`queries`) AS `queries`, uniqCombined64Merge(12)(t.`clients`) AS `clients`,
    uniqCombined64Merge(12)(t.`names`) AS `names`, arrayElement(topKMerge(8)(t.`top_name`), 1) AS `top_name`
FROM nameward.denials_hours AS t
GROUP BY `tenant`, `hour`, `rule`, `tier`, `workload`;

CREATE OR REPLACE VIEW nameward.new_names AS
SELECT
    `tenant`, `registered_domain`, min(t.`first_time`) AS `first_seen`, max(t.`last_time`) AS `last_seen`, sum(t.`queries`) AS `queries`,
    argMinMerge(t.`first_workload`) AS `first_workload`, argMinMerge(t.`first_client`) AS `first_client`,
    argMinMerge(t.`first_name`) AS `first_name`
FROM nameward.first_seen AS t
GROUP BY `tenant`, `registered_domain`;

CREATE OR REPLACE VIEW nameward.top_talkers AS
SELECT
    `tenant`, `hour`, `client`, `workload`, sum(t.`queries`) AS `queries`, sum(t.`denied`) AS `denied`, sum(t.`nxdomain`) AS `nxdomain`,
    uniqCombined64Merge(12)(t.`names`) AS `names`, sum(t.`bytes_out`) AS `bytes_out`
FROM nameward.talkers_hours AS t
GROUP BY `tenant`, `hour`, `client`, `workload`;

-- A failure is SERVFAIL, or no answer at all. Times are those spent waiting for upstream.
CREATE OR REPLACE VIEW nameward.slow_upstreams AS
SELECT
    `tenant`, `hour`, `upstream`, `queries`, `failures`, round(`q`[1]) AS `p50_us`, round(`q`[2]) AS `p90_us`, round(`q`[3]) AS `p99_us`
FROM
(
    SELECT
        `tenant`, `hour`, `upstream`, sum(t.`queries`) AS `queries`, sum(t.`failures`) AS `failures`,
        quantilesBFloat16Merge(0.5, 0.9, 0.99)(t.`latency`) AS `q`
    FROM nameward.upstreams_hours AS t
    GROUP BY `tenant`, `hour`, `upstream`
);

-- Who depends on what. Addresses are those of bindings, which egress rules make; `internal` names were answered from policy's own records.
CREATE OR REPLACE VIEW nameward.service_map AS
SELECT
    `tenant`, `workload`, `name`, max(`domain`) AS `registered_domain`, max(`local`) AS `internal`, sum(`asked`) AS `queries`,
    sum(`refused`) AS `denied`, arraySort(groupUniqArrayArray(100)(`learnt`)) AS `addresses`,
    minIf(`first`, `asked` > 0) AS `first_asked`, max(`last`) AS `last_asked`
FROM
(
    SELECT
        `tenant`, `workload`, `qname` AS `name`, `registered_domain` AS `domain`, max(t.`internal`) AS `local`, sum(t.`queries`) AS `asked`,
        sum(t.`denied`) AS `refused`, CAST([], 'Array(String)') AS `learnt`, min(t.`first_asked`) AS `first`, max(t.`last_asked`) AS `last`
    FROM nameward.names_asked AS t
    GROUP BY `tenant`, `workload`, `qname`, `registered_domain`
    UNION ALL
    SELECT
        `tenant`, `workload`, `name`, '', 0, 0, 0, groupUniqArray(100)(`address`), toDateTime64(0, 6, 'UTC'), toDateTime64(0, 6, 'UTC')
    FROM nameward.bindings
    GROUP BY `tenant`, `workload`, `name`
)
GROUP BY `tenant`, `workload`, `name`
HAVING `queries` > 0;

-- Every entry that streams put into a tenant's overlay, and its end: `expired`, or `withdrawn` before its time. `ended` of one in force is NULL.
CREATE OR REPLACE VIEW nameward.overlay_history AS
SELECT
    `tenant`, `id`, `pattern`, `action`, `mode`, `severity`, `detector`, `reason`, `created`, `expires`,
    multiIf(`next` IS NOT NULL, least(assumeNotNull(`next`), `expires`), `expires` <= now64(6), `expires`, NULL) AS `ended`,
    multiIf(`ended` IS NULL, '', `ended` < `expires`, 'withdrawn', 'expired') AS `ending`
FROM
(
    SELECT
        e.`tenant` AS `tenant`, e.`id` AS `id`, e.`pattern` AS `pattern`, e.`action` AS `action`, e.`mode` AS `mode`, e.`severity` AS `severity`,
        e.`detector` AS `detector`, e.`reason` AS `reason`, e.`created` AS `created`, e.`expires` AS `expires`,
        arrayFirstOrNull(change -> change.1 > e.`latest`, w.`changes`).2 AS `next`
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
);
