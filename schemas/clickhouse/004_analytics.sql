-- What alerts and telemetry learnt to say, the orders of people about alerts, and who learnt which address from which name.
ALTER TABLE nameward.telemetry
    ADD COLUMN IF NOT EXISTS `newly_observed` UInt64 AFTER `top_denied`,
    ADD COLUMN IF NOT EXISTS `dropped` Map(LowCardinality(String), UInt64) AFTER `newly_observed`,
    ADD COLUMN IF NOT EXISTS `bounds` Map(LowCardinality(String), Float64) AFTER `dropped`;

ALTER TABLE nameward.alerts
    ADD COLUMN IF NOT EXISTS `parent` String AFTER `clients`,
    ADD COLUMN IF NOT EXISTS `muted` String AFTER `parent`,
    ADD COLUMN IF NOT EXISTS `ending` String AFTER `muted`;

-- A view keeps the columns of the day it was made.
CREATE OR REPLACE VIEW nameward.alerts_now AS
SELECT * FROM nameward.alerts FINAL ORDER BY `changed` DESC, `revision` DESC LIMIT 1 BY `tenant`, `id`;

-- The newest row of a key counts; `revoked` is a tombstone.
CREATE TABLE IF NOT EXISTS nameward.alert_orders
(
    `tenant` LowCardinality(String),
    `id` String,
    `revoked` UInt8,
    `changed` DateTime64(3, 'UTC'),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY (`tenant`, `id`);

CREATE TABLE IF NOT EXISTS nameward.bindings
(
    `tenant` LowCardinality(String),
    `workload` LowCardinality(String),
    `client` String,
    `name` String,
    `address` String,
    `until` DateTime64(6, 'UTC'),
    `source` LowCardinality(String),
    `body` String CODEC(ZSTD(3)),
    `version` UInt64
)
ENGINE = ReplacingMergeTree(`version`)
ORDER BY (`tenant`, `workload`, `client`, `name`, `address`, `source`)
TTL toDateTime(`until`) + INTERVAL 30 DAY;
