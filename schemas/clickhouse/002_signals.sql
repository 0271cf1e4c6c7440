-- What streams say. Every table takes the same message again without harm; `body` is the message as it was sent.
CREATE TABLE IF NOT EXISTS nameward.telemetry
(
    `tenant` LowCardinality(String),
    `workload` LowCardinality(String),
    `window_start` DateTime64(3, 'UTC'),
    `window_seconds` UInt32,
    `queries` UInt64,
    `bytes_in` UInt64,
    `bytes_out` UInt64,
    `counts` Map(LowCardinality(String), UInt64),
    `clients` Float64,
    `names` Float64,
    `latency_us` Map(LowCardinality(String), Float64),
    `top_names` Array(Tuple(item String, count UInt64, error UInt64)),
    `top_domains` Array(Tuple(item String, count UInt64, error UInt64)),
    `top_clients` Array(Tuple(item String, count UInt64, error UInt64)),
    `top_denied` Array(Tuple(item String, count UInt64, error UInt64)),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
PARTITION BY toYYYYMM(`window_start`)
ORDER BY (`tenant`, `workload`, `window_seconds`, `window_start`);

-- One row per change of an alert's state.
CREATE TABLE IF NOT EXISTS nameward.alerts
(
    `tenant` LowCardinality(String),
    `id` String,
    `revision` UInt64,
    `detector` LowCardinality(String),
    `subject` String,
    `state` LowCardinality(String),
    `severity` LowCardinality(String),
    `severity_reason` String,
    `title` String,
    `first_seen` DateTime64(6, 'UTC'),
    `last_seen` DateTime64(6, 'UTC'),
    `changed` DateTime64(6, 'UTC'),
    `samples` Array(String),
    `workloads` Array(String),
    `clients` Array(String),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY (`tenant`, `id`, `revision`, `changed`);

-- The last word about each alert.
CREATE OR REPLACE VIEW nameward.alerts_now AS
SELECT * FROM nameward.alerts FINAL ORDER BY `changed` DESC, `revision` DESC LIMIT 1 BY `tenant`, `id`;

CREATE TABLE IF NOT EXISTS nameward.context_signals
(
    `tenant` LowCardinality(String),
    `kind` LowCardinality(String),
    `subject` String,
    `value` String,
    `source` LowCardinality(String),
    `reason` String,
    `created` DateTime64(6, 'UTC'),
    `expires` DateTime64(6, 'UTC'),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY (`tenant`, `kind`, `subject`, `created`);

-- Every overlay a tenant ever had, whole.
CREATE TABLE IF NOT EXISTS nameward.overlays
(
    `tenant` LowCardinality(String),
    `revision` UInt64,
    `changed` DateTime64(6, 'UTC'),
    `entries` Nested(id String, pattern String, action LowCardinality(String), mode LowCardinality(String), severity LowCardinality(String),
                     reason String, detector LowCardinality(String), created DateTime64(6, 'UTC'), expires DateTime64(6, 'UTC')),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY (`tenant`, `revision`, `changed`);
