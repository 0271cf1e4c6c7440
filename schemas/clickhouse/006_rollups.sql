-- Roll-ups of query_events, filled by materialized views with every insert. All are partitioned by query_events' `day`, the day of the
-- insert: one insert stays one part in each, and a day whose sums differ from the raw rows is replaced whole (`nameward warehouse backfill`).
-- Times are cut to the minute or hour before anything is grouped by them.
-- What names no client outlives the raw events (TTL below); what names clients ends with the tenant's retention (`nameward warehouse retain`).

-- Quantiles read at most 1 % low (16-bit floats, a few bytes each where values are few), unique counts have a standard error of about 2 %.
CREATE TABLE IF NOT EXISTS nameward.traffic_minutes
(
    `day` Date,
    `tenant` LowCardinality(String),
    `workload` LowCardinality(String),
    `time` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `denied` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `nxdomain` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `servfail` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `cached` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `bytes_in` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `bytes_out` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `clients` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `names` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `latency` AggregateFunction(quantilesBFloat16(0.5, 0.9, 0.99), UInt32) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `workload`, `time`)
TTL `day` + INTERVAL 90 DAY;

CREATE TABLE IF NOT EXISTS nameward.traffic_hours
(
    `day` Date,
    `tenant` LowCardinality(String),
    `workload` LowCardinality(String),
    `time` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `denied` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `nxdomain` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `servfail` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `cached` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `bytes_in` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `bytes_out` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `clients` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `names` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `latency` AggregateFunction(quantilesBFloat16(0.5, 0.9, 0.99), UInt32) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `workload`, `time`)
TTL `day` + INTERVAL 1095 DAY;

-- Who asked for what: one row a day for each name, workload and client.
CREATE TABLE IF NOT EXISTS nameward.names_asked
(
    `day` Date,
    `tenant` LowCardinality(String),
    `registered_domain` String CODEC(ZSTD(1)),
    `qname` String CODEC(ZSTD(1)),
    `workload` LowCardinality(String),
    `client` String CODEC(ZSTD(1)),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `denied` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `internal` SimpleAggregateFunction(max, UInt8),
    `first_asked` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    `last_asked` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `registered_domain`, `qname`, `workload`, `client`);

CREATE TABLE IF NOT EXISTS nameward.talkers_hours
(
    `day` Date,
    `tenant` LowCardinality(String),
    `hour` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `client` String CODEC(ZSTD(1)),
    `workload` LowCardinality(String),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `denied` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `nxdomain` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `names` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `bytes_out` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `hour`, `client`, `workload`);

CREATE TABLE IF NOT EXISTS nameward.denials_hours
(
    `day` Date,
    `tenant` LowCardinality(String),
    `hour` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `rule` LowCardinality(String),
    `tier` LowCardinality(String),
    `workload` LowCardinality(String),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `clients` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `names` AggregateFunction(uniqCombined64(12), String) CODEC(ZSTD(1)),
    `top_name` AggregateFunction(topK(8), String) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `hour`, `rule`, `tier`, `workload`)
TTL `day` + INTERVAL 1095 DAY;

CREATE TABLE IF NOT EXISTS nameward.upstreams_hours
(
    `day` Date,
    `tenant` LowCardinality(String),
    `hour` DateTime('UTC') CODEC(Delta, ZSTD(1)),
    `upstream` LowCardinality(String),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `failures` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `latency` AggregateFunction(quantilesBFloat16(0.5, 0.9, 0.99), UInt32) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `hour`, `upstream`)
TTL `day` + INTERVAL 1095 DAY;

-- When a tenant asked below a registered domain for the first time, and who did.
CREATE TABLE IF NOT EXISTS nameward.first_seen
(
    `day` Date,
    `tenant` LowCardinality(String),
    `registered_domain` String CODEC(ZSTD(1)),
    `first_time` SimpleAggregateFunction(min, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    `last_time` SimpleAggregateFunction(max, DateTime64(6, 'UTC')) CODEC(Delta, ZSTD(1)),
    `queries` SimpleAggregateFunction(sum, UInt64) CODEC(T64, ZSTD(1)),
    `first_workload` AggregateFunction(argMin, String, DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    `first_client` AggregateFunction(argMin, String, DateTime64(6, 'UTC')) CODEC(ZSTD(1)),
    `first_name` AggregateFunction(argMin, String, DateTime64(6, 'UTC')) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY `day`
ORDER BY (`tenant`, `registered_domain`)
TTL `day` + INTERVAL 400 DAY
SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.traffic_minutes_feed TO nameward.traffic_minutes AS
SELECT
    `day`, `tenant`, `workload`, toStartOfMinute(toDateTime(`time`, 'UTC')) AS `time`,
    count() AS `queries`, countIf(`verdict` = 'deny') AS `denied`, countIf(`rcode` = 'NXDOMAIN') AS `nxdomain`,
    countIf(`rcode` = 'SERVFAIL') AS `servfail`, countIf(`answer_source` IN ('cache', 'stale')) AS `cached`,
    sum(`query_size`) AS `bytes_in`, sum(`response_size`) AS `bytes_out`,
    uniqCombined64State(12)(`client`) AS `clients`, uniqCombined64State(12)(`qname`) AS `names`,
    quantilesBFloat16State(0.5, 0.9, 0.99)(`latency_us`) AS `latency`
FROM nameward.query_events
GROUP BY `day`, `tenant`, `workload`, `time`;

-- Of the minutes as they come in: their sketches merge, no row is looked at twice.
CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.traffic_hours_feed TO nameward.traffic_hours AS
SELECT
    `day`, `tenant`, `workload`, toStartOfHour(m.`time`) AS `time`,
    sum(m.`queries`) AS `queries`, sum(m.`denied`) AS `denied`, sum(m.`nxdomain`) AS `nxdomain`, sum(m.`servfail`) AS `servfail`,
    sum(m.`cached`) AS `cached`, sum(m.`bytes_in`) AS `bytes_in`, sum(m.`bytes_out`) AS `bytes_out`,
    uniqCombined64MergeState(12)(m.`clients`) AS `clients`, uniqCombined64MergeState(12)(m.`names`) AS `names`,
    quantilesBFloat16MergeState(0.5, 0.9, 0.99)(m.`latency`) AS `latency`
FROM nameward.traffic_minutes AS m
GROUP BY `day`, `tenant`, `workload`, `time`;

CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.names_asked_feed TO nameward.names_asked AS
SELECT
    `day`, `tenant`, `registered_domain`, `qname`, `workload`, `client`,
    count() AS `queries`, countIf(`verdict` = 'deny') AS `denied`, max(`answer_source` IN ('virtual', 'discovery')) AS `internal`,
    min(`time`) AS `first_asked`, max(`time`) AS `last_asked`
FROM nameward.query_events
GROUP BY `day`, `tenant`, `registered_domain`, `qname`, `workload`, `client`;

CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.talkers_hours_feed TO nameward.talkers_hours AS
SELECT
    `day`, `tenant`, toStartOfHour(toDateTime(`time`, 'UTC')) AS `hour`, `client`, `workload`,
    count() AS `queries`, countIf(`verdict` = 'deny') AS `denied`, countIf(`rcode` = 'NXDOMAIN') AS `nxdomain`,
    uniqCombined64State(12)(`qname`) AS `names`, sum(`response_size`) AS `bytes_out`
FROM nameward.query_events
GROUP BY `day`, `tenant`, `hour`, `client`, `workload`;

CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.denials_hours_feed TO nameward.denials_hours AS
SELECT
    `day`, `tenant`, toStartOfHour(toDateTime(`time`, 'UTC')) AS `hour`, `rule`, `tier`, `workload`,
    count() AS `queries`, uniqCombined64State(12)(`client`) AS `clients`, uniqCombined64State(12)(`qname`) AS `names`,
    topKState(8)(`qname`) AS `top_name`
FROM nameward.query_events
WHERE `verdict` = 'deny'
GROUP BY `day`, `tenant`, `hour`, `rule`, `tier`, `workload`;

CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.upstreams_hours_feed TO nameward.upstreams_hours AS
SELECT
    `day`, `tenant`, toStartOfHour(toDateTime(`time`, 'UTC')) AS `hour`, `upstream`,
    count() AS `queries`, countIf(`rcode` IN ('SERVFAIL', '')) AS `failures`,
    quantilesBFloat16State(0.5, 0.9, 0.99)(`upstream_latency_us`) AS `latency`
FROM nameward.query_events
WHERE `upstream` != ''
GROUP BY `day`, `tenant`, `hour`, `upstream`;

CREATE MATERIALIZED VIEW IF NOT EXISTS nameward.first_seen_feed TO nameward.first_seen AS
SELECT
    `day`, `tenant`, `registered_domain`, min(`time`) AS `first_time`, max(`time`) AS `last_time`, count() AS `queries`,
    argMinState(toString(`workload`), `time`) AS `first_workload`, argMinState(`client`, `time`) AS `first_client`,
    argMinState(`qname`, `time`) AS `first_name`
FROM nameward.query_events
WHERE `registered_domain` != ''
GROUP BY `day`, `tenant`, `registered_domain`;
