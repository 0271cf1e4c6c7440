"""The consumer in the README does what it says, on a real broker."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from aiokafka import AIOKafkaProducer

from compose import topics
from schemas.signals import encode_signal
from schemas.topics import ALERTS
from tests.compose.conftest import embedded
from tests.streams.delivery.alerts import alert

README = Path(__file__).parents[3] / "README.md"


async def publish(bootstrap: str, *values: bytes) -> None:
    """Records on dns.alerts, after the topics were made."""
    await topics.create(bootstrap)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=1)
    await producer.start()
    for value in values:
        await producer.send_and_wait(ALERTS.name, value, partition=0)
    await producer.stop()


def test_the_consumer_of_the_readme_reads_alerts(tmp_path: Path) -> None:
    """The block as it stands there, as a program of its own; twenty lines and a few, muted alerts left out."""
    program = tmp_path / "alerts.py"
    program.write_text(README.read_text("utf-8").split("```python\n# alerts.py")[1].split("```")[0].partition("\n")[2])
    words = [encode_signal(item) for item in (alert("a1"), alert("a2", muted="m-1"), alert("a1", state="closed", title="Over"))]
    with embedded(tmp_path) as address:
        asyncio.run(publish(str(address), *words))
        done = subprocess.run([sys.executable, str(program), str(address), "3"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["acme open high A client tries generated names", "acme closed high Over"]
