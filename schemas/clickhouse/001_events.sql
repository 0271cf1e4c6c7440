-- Query events, one row each; columns are named as in schemas/events.py.
-- `day` is the UTC day of the last event of the insert: with it as partition key one insert is one part, there whole or not at all.
-- The projection answers "how far did each source get" and "how many are stored" without reading the rows.
CREATE TABLE IF NOT EXISTS nameward.query_events
(
    `day` Date,
    `time` DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    `source` LowCardinality(String),
    `epoch` UInt64 CODEC(ZSTD(1)),
    `partition` UInt16 CODEC(ZSTD(1)),
    `sequence` UInt64 CODEC(Delta, ZSTD(1)),
    `tenant` LowCardinality(String),
    `workload` LowCardinality(String),
    `labels` Map(LowCardinality(String), String),
    `client` String CODEC(ZSTD(1)),
    `transport` LowCardinality(String),
    `qname` String CODEC(ZSTD(1)),
    `registered_domain` String CODEC(ZSTD(1)),
    `qtype` LowCardinality(String),
    `qclass` LowCardinality(String),
    `rcode` LowCardinality(String),
    `flags` UInt16 CODEC(ZSTD(1)),
    `answers` Nested(type LowCardinality(String), data String, ttl UInt32),
    `answer_source` LowCardinality(String),
    `upstream` LowCardinality(String),
    `latency_us` UInt32 CODEC(ZSTD(1)),
    `upstream_latency_us` UInt32 CODEC(ZSTD(1)),
    `query_size` UInt32 CODEC(ZSTD(1)),
    `response_size` UInt32 CODEC(ZSTD(1)),
    `verdict` LowCardinality(String),
    `rule` LowCardinality(String),
    `tier` LowCardinality(String),
    `audits` Nested(rule LowCardinality(String), verdict LowCardinality(String), tier LowCardinality(String)),
    `tags` Array(LowCardinality(String)),
    `ede` Int32 CODEC(ZSTD(1)),
    `ede_text` LowCardinality(String),
    `policy_version` LowCardinality(String),
    INDEX time_range `time` TYPE minmax GRANULARITY 1,
    INDEX qname_bloom `qname` TYPE bloom_filter(0.01) GRANULARITY 4,
    PROJECTION stored
    (
        SELECT `source`, `epoch`, `partition`, max(`sequence`), count()
        GROUP BY `source`, `epoch`, `partition`
    )
)
ENGINE = MergeTree
PARTITION BY `day`
ORDER BY (`tenant`, toStartOfHour(`time`), `qname`, `time`);

-- What each resolver worker counted, from the headers of its batches; the largest word is the last word.
CREATE TABLE IF NOT EXISTS nameward.source_counters
(
    `source` LowCardinality(String),
    `epoch` UInt64,
    `offered` SimpleAggregateFunction(max, UInt64),
    `dropped` SimpleAggregateFunction(max, UInt64),
    `acknowledged` SimpleAggregateFunction(max, UInt64),
    `closed` SimpleAggregateFunction(max, UInt8),
    `updated` SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
)
ENGINE = AggregatingMergeTree
ORDER BY (`source`, `epoch`);

-- Accounts for every event: offered = dropped + stored + in_flight + tail + missing, and missing must be 0.
-- tail: never published by a worker that was killed. in_flight: of a worker that still runs.
CREATE OR REPLACE VIEW nameward.ledger AS
SELECT
    `source`, `epoch`, fromUnixTimestamp64Milli(toInt64(`epoch`), 'UTC') AS `started`,
    `produced`, `drops` AS `dropped`, `acks` AS `acknowledged`, `rows` AS `stored`, `is_closed` AS `closed`,
    toInt64(`produced`) - toInt64(`drops`) AS `published_or_tail`,
    `is_closed` AND `acks` < `published_or_tail` AS `killed`,
    if(`killed`, `published_or_tail` - toInt64(greatest(`acks`, `rows`)), 0) AS `tail`,
    if(`is_closed`, 0, greatest(`published_or_tail` - toInt64(`rows`), 0)) AS `in_flight`,
    if(`is_closed`, if(`killed`, greatest(toInt64(`acks`) - toInt64(`rows`), 0), `published_or_tail` - toInt64(`rows`)), 0) AS `missing`,
    `last_word`
FROM
(
    SELECT `source`, `epoch`, max(o) AS `produced`, max(d) AS `drops`, max(a) AS `acks`, max(c) AS `is_closed`, sum(n) AS `rows`, max(u) AS `last_word`
    FROM
    (
        SELECT toString(`source`) AS `source`, `epoch`, max(`offered`) AS o, max(`dropped`) AS d, max(`acknowledged`) AS a, max(`closed`) AS c,
               toUInt64(0) AS n, max(`updated`) AS u
        FROM nameward.source_counters GROUP BY `source`, `epoch`
        UNION ALL
        SELECT toString(`source`) AS `source`, `epoch`, 0, 0, 0, 0, count(), toDateTime64(0, 3, 'UTC')
        FROM nameward.query_events GROUP BY `source`, `epoch`
    )
    GROUP BY `source`, `epoch`
);
