-- Operators' objects as they stand: the newest row of a key counts; an empty body is a deleted object.
CREATE TABLE IF NOT EXISTS nameward.policy_objects
(
    `key` String,
    `kind` LowCardinality(String),
    `name` String,
    `deleted` UInt8,
    `changed` DateTime64(3, 'UTC'),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY `key`;

-- What each resolver worker runs, its last word.
CREATE TABLE IF NOT EXISTS nameward.policy_status
(
    `resolver` LowCardinality(String),
    `epoch` UInt64,
    `time` DateTime64(6, 'UTC'),
    `policy_version` String,
    `objects` UInt64,
    `objects_offset` Int64,
    `overlays_offset` Int64,
    `refused` Nested(key String, error String),
    `stopped` UInt8,
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY `resolver`;

-- What streams learnt of each tenant, for a stream state that starts empty.
CREATE TABLE IF NOT EXISTS nameward.baselines
(
    `tenant` LowCardinality(String),
    `name` String,
    `value` Float64,
    `updated` DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(`updated`)
ORDER BY (`tenant`, `name`);
