"""The embedded engine's configuration files: memory, caches, profile, roles. Pure text; embedded.py writes them.

Tables live in the store only: no files of the host, no other hosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from streams.warehouse.access import engine_config

_MIB = 1 << 20

_CONFIG = """<clickhouse>
<timezone>UTC</timezone>
<max_server_memory_usage>{server}</max_server_memory_usage>
<mark_cache_size>{cache}</mark_cache_size>
<index_mark_cache_size>{cache}</index_mark_cache_size>
<primary_index_cache_size>{cache}</primary_index_cache_size>
<uncompressed_cache_size>0</uncompressed_cache_size>
<mmap_cache_size>16</mmap_cache_size>
<compiled_expression_cache_size>{cache}</compiled_expression_cache_size>
<background_pool_size>1</background_pool_size>
<merge_tree>
<max_compress_block_size>131072</max_compress_block_size>
<min_bytes_for_wide_part>134217728</min_bytes_for_wide_part>
<merge_max_block_size>2048</merge_max_block_size>
<merge_max_block_size_bytes>1048576</merge_max_block_size_bytes>
</merge_tree>
<users_config>{users}</users_config>
</clickhouse>
"""

_USERS = """<clickhouse>
<profiles><default>
<max_memory_usage>{query}</max_memory_usage>
<max_bytes_before_external_group_by>{spill}</max_bytes_before_external_group_by>
<max_bytes_before_external_sort>{spill}</max_bytes_before_external_sort>
<max_execution_time>{seconds}</max_execution_time>
<max_result_bytes>{result}</max_result_bytes>
<result_overflow_mode>throw</result_overflow_mode>
<max_threads>2</max_threads>
<max_read_buffer_size>131072</max_read_buffer_size>
<max_compress_block_size>131072</max_compress_block_size>
<max_insert_threads>1</max_insert_threads>
<join_algorithm>auto</join_algorithm>
<date_time_input_format>best_effort</date_time_input_format>
</default></profiles>
<quotas><default/></quotas>
<roles><operator><grants><query>GRANT ALL ON *.*</query>
<query>REVOKE FILE, URL, REMOTE, S3, HDFS, AZURE, MYSQL, POSTGRES, SQLITE,
ODBC, JDBC, MONGO, REDIS, HIVE, KAFKA, NATS, RABBITMQ ON *.*</query></grants></operator>{analyst}</roles>
<users><default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
<databases>{filters}</databases>
<grants><query>GRANT operator</query><query>GRANT analyst</query></grants></default></users>
</clickhouse>
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the engine: MiB for all queries together and for one, seconds for one, bytes of one spooled result."""

    server_mib: int = 320
    query_mib: int = 200
    cache_mib: int = 16
    query_seconds: int = 60
    result_bytes: int = 2 << 30


def config_text(limits: Limits, users: Path) -> str:
    """The main file, which names the users file."""
    cache = limits.cache_mib * _MIB
    return _CONFIG.format(server=limits.server_mib * _MIB, cache=cache, users=escape(str(users)))


def users_text(limits: Limits) -> str:
    """The users file: the profile of every query, the roles, the row filters."""
    analyst, filters = engine_config()
    return _USERS.format(
        query=limits.query_mib * _MIB,
        spill=limits.query_mib * _MIB // 3,
        seconds=limits.query_seconds,
        result=limits.result_bytes,
        analyst=analyst,
        filters=filters,
    )
