-- What retention took away, so that the ledger and the sink still know of it: events of a tenant and day by where they came from.
-- `lowest` keeps apart what is taken at different times; the same taken again after a failure replaces itself.
CREATE TABLE IF NOT EXISTS nameward.retired
(
    `day` Date,
    `of_tenant` LowCardinality(String),
    `source` LowCardinality(String),
    `epoch` UInt64,
    `partition` UInt16,
    `lowest` UInt64,
    `highest` UInt64,
    `events` UInt64,
    `taken` DateTime('UTC')
)
ENGINE = ReplacingMergeTree(`taken`)
ORDER BY (`source`, `epoch`, `partition`, `day`, `of_tenant`, `lowest`);

-- As before, with what was stored and has been taken away since.
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
        UNION ALL
        SELECT toString(`source`) AS `source`, `epoch`, 0, 0, 0, 0, sum(`events`), toDateTime64(0, 3, 'UTC')
        FROM nameward.retired FINAL GROUP BY `source`, `epoch`
    )
    GROUP BY `source`, `epoch`
);
