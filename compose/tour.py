"""What `nameward up` prints when everything serves: a short tour to paste."""

from __future__ import annotations

from compose.layout import DEFAULT_DIRECTORY, Layout


def tour(layout: Layout) -> str:
    """Commands to paste, for the addresses of this stack; the demo's objects are assumed where it is the demo's directory."""
    server = f"-p {layout.listen.port} @{layout.listen.host}"
    where = "" if str(layout.directory) == DEFAULT_DIRECTORY else f" --directory {layout.directory}"
    lines = [
        f"DNS {layout.listen} (udp, tcp) · admin http://{layout.admin} · Kafka {layout.kafka} · ClickHouse http://{layout.clickhouse}",
        "",
        "Paste into another terminal (Ctrl-C here stops everything):",
        "",
    ]
    if layout.demo:
        lines += [
            f"  dig -b 127.0.1.10 {server} www.example.com         # acme's frontend may not discover *.com",
            f"  dig -b 127.0.1.10 {server} portal.internal +short  # acme's portal",
            f"  dig -b 127.0.2.10 {server} portal.internal +short  # globex's, under the same name",
            f"  dig -b 127.0.1.10 {server} shop.globex.internal    # not there, for acme",
        ]
    lines += [
        f"  nameward sql{where} \"SELECT time, tenant, workload, qname, verdict, rule FROM nameward.query_events ORDER BY time DESC LIMIT 5\"",
        f"  curl -s http://{layout.clickhouse} --data-binary 'SELECT tenant, count() FROM nameward.query_events GROUP BY tenant'",
        f"  nameward tail{where}                                  # events as they happen",
        f"  nameward policy get{where}                            # the policy in force",
        f"  nameward ledger{where}                                # nothing lost, nothing twice",
    ]
    return "\n".join(lines)
