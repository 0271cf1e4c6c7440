"""What `make quality` judges in full, in small: short incidents are found by the detector they are for, a quiet day stays quiet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from streams.detectors import DETECTORS
from tests.bench.quality import benign, generated
from tests.bench.quality.judge import judge
from tests.bench.quality.play import play
from tests.bench.quality.scenario import Scenario
from tests.bench.quality.tunnels import during_work, recorded
from tests.peers import recorded_tunnel

SHORT = {"random-subdomain flood", "search list gone wrong", "rebinding", "policy probing"}
KNOWN = {detector.name for detector in DETECTORS}
PLAYS = [one for one in generated.scenarios(small=True) if one.name in SHORT and one.incident and KNOWN.issuperset(one.incident.detectors)]


@pytest.mark.parametrize("scenario", PLAYS, ids=lambda one: one.name)
def test_a_short_incident_is_found_and_nothing_else(scenario: Scenario) -> None:
    """In the time that its bar gives, by name of its client or domain."""
    assert scenario.incident is not None
    first, last = scenario.incident.began - 600, scenario.incident.began + 600
    near = [item for item in scenario.background() if first <= item.time.timestamp() < last]
    verdict = judge(play(replace(scenario, background=lambda: near)))
    assert verdict.met, verdict
    assert verdict.false == ()


def test_a_quiet_day_stays_quiet() -> None:
    """Six clients at work raise nothing."""
    quiet = Scenario("day", "generated", lambda: benign.office(3, clients=6, sessions=16), step=30.0)
    assert judge(play(quiet)).false == ()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("program", "qtype"), [("iodine", "A"), ("dns2tcp", "KEY")])
def test_a_live_tunnel_is_found(tmp_path: Path, program: str, qtype: str) -> None:
    """Recorded between two namespaces while it carries sixty bytes a second."""
    tmp_path.chmod(0o755)
    record = {"iodine": recorded_tunnel.iodine, "dns2tcp": recorded_tunnel.dns2tcp}[program]
    events = recorded(record(tmp_path, qtype, seconds=8, bytes_per_second=60))
    verdict = judge(play(during_work(events, 1.0)))
    assert verdict.met, verdict
