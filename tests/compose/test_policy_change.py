"""Changes of policy.objects: nobody's change is lost, and of two made for the same version one is a conflict."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from compose.failure import Failure
from compose.policy_change import change, planned, versions_of
from compose.policy_topic import Present, Written, read_present
from compose.policy_versions import shown, stored, version_of
from schemas.documents import read_documents, write_documents
from schemas.objects import PolicyObject
from tests.patience import PROCESS_S
from tests.resolver.policy.written import objects, rules, tenant

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
EARLIER = datetime(2026, 1, 1, tzinfo=UTC)


def documents(text: str) -> list:
    """Documents of a text that is right."""
    found, errors = read_documents(text, "f.yaml")
    assert not errors
    return found


def there(text: str, who: str = "alice@desk") -> Present:
    """Objects written long ago."""
    found = {key: stored(obj, None, EARLIER) for key, obj in objects(text).items()}
    return Present(found, {}, dict.fromkeys(found, Written(EARLIER, who)))


def applying(bootstrap: str, *paths: Path) -> list[subprocess.Popen[str]]:
    """`nameward policy apply` of each file, all at once."""
    command = [sys.executable, "-m", "compose.cli", "policy", "apply", "--kafka", bootstrap, "--timeout", "0"]
    return [subprocess.Popen([*command, str(path)], stdout=-1, stderr=-1, text=True) for path in paths]


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit status, standard output and error."""
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


# --- what is to be written ---------------------------------------------------------------------------------------------


def test_created_is_set_once_and_kept() -> None:
    """The first apply says when; later ones keep it, whatever their document says; a backup put back keeps its age."""
    (obj,) = objects(tenant()).values()
    first = stored(obj, None, EARLIER)
    assert first.metadata.created == EARLIER
    changed = structs.replace(obj, metadata=structs.replace(obj.metadata, created=NOW, annotations={"a": "b"}))
    assert stored(changed, first, NOW).metadata.created == EARLIER
    assert stored(first, None, NOW).metadata.created == EARLIER
    tomorrow = structs.replace(obj.metadata, created=datetime(2099, 1, 1, tzinfo=UTC))
    assert stored(structs.replace(obj, metadata=tomorrow), None, NOW).metadata.created == NOW


def test_only_what_differs_is_written() -> None:
    """What was read with `get` and is applied unchanged changes nothing."""
    present = there(tenant() + rules("name: a, action: deny"))
    again = documents(write_documents(map(shown, present.objects.values())))
    assert planned(again, present) == {}
    changes = planned(documents(tenant(default="deny") + rules("name: a, action: deny")), present)
    assert list(changes) == ["Tenant/acme/acme"]


def test_versions_say_what_an_object_says() -> None:
    """The same object has the same version on every broker; any change, and a new life, have another."""
    (obj,) = objects(tenant()).values()
    versions = {
        version_of(stored(obj, None, EARLIER)),
        version_of(stored(obj, None, NOW)),
        version_of(stored(structs.replace(obj, spec=structs.replace(obj.spec, default="deny")), None, EARLIER)),
    }
    assert len(versions) == 3
    assert version_of(shown(stored(obj, None, NOW))) == version_of(stored(obj, None, NOW))


def edited(present: Present, old: str, new: str) -> str:
    """What `get -o yaml` shows, with one word changed."""
    text = write_documents(map(shown, present.objects.values()))
    assert old in text
    return text.replace(old, new)


def test_an_older_version_is_a_conflict() -> None:
    """Who changed what since is told; without a version the last writer wins; who wanted the same has no conflict."""
    seen = there(tenant())
    mine = edited(seen, "default: allow", "default: deny")
    now = there(tenant(mode="audit"), who="bob@laptop")
    now.earlier["Tenant/acme/acme", version_of(seen.objects["Tenant/acme/acme"])] = seen.objects["Tenant/acme/acme"]
    with pytest.raises(Failure) as caught:
        planned(documents(mine), now)
    told = str(caught.value).splitlines()
    assert told[0].startswith("f.yaml: document 1: Tenant/acme metadata.resourceVersion: conflict: the object was changed by bob@laptop at 2026-01-01")
    assert told[0].endswith("; what was changed since:")
    assert told[1:] == ["  spec.mode: + audit"]
    with pytest.raises(Failure, match=r"compared with the document:\n  spec\.default: deny -> allow"):
        planned(documents(mine), there(tenant(mode="audit")))
    with pytest.raises(Failure, match="the object was deleted since version"):
        planned(documents(mine), Present())
    assert planned(documents(tenant(default="deny")), now)
    assert planned(documents(mine), there(tenant(default="deny"))) == {}


# --- on brokers --------------------------------------------------------------------------------------------------------


def test_writers_of_different_objects_lose_nothing(bootstrap: str, tmp_path: Path) -> None:
    """Six processes apply an object each at the same moment; all of them are there."""
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(tenant(f"many{number}", 100 + number))
    assert [code for code, *_ in map(outcome, applying(bootstrap, *paths))] == [0] * 6
    held = asyncio.run(read_present(bootstrap)).objects
    assert {f"Tenant/many{number}/many{number}" for number in range(6)} <= held.keys()
    assert all(obj.metadata.created for obj in held.values())


def test_of_writers_with_the_same_version_one_wins(bootstrap: str, tmp_path: Path) -> None:
    """Four processes change the same version of an object: one succeeds, its change is there, the others are told whose."""
    asyncio.run(change(bootstrap, lambda present: planned(documents(tenant("race", 90)), present)))
    (seen,) = (obj for obj in asyncio.run(read_present(bootstrap)).objects.values() if obj.metadata.name == "race")
    text, paths = write_documents([shown(seen)]), []
    for number in range(4):
        value = yaml.safe_load(text)
        value["metadata"]["annotations"] = {"by": str(number)}
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(value))
    outcomes = [outcome(process) for process in applying(bootstrap, *paths)]
    winners = [number for number, (code, *_) in enumerate(outcomes) if code == 0]
    assert len(winners) == 1, outcomes
    losers = [err for number, (_, _, err) in enumerate(outcomes) if number not in winners]
    assert all("metadata.resourceVersion: conflict: the object was changed by " in err for err in losers)
    assert all(f'metadata.annotations: + {{"by":"{winners[0]}"}}' in err for err in losers)
    held = asyncio.run(read_present(bootstrap)).objects["Tenant/race/race"]
    assert held.metadata.annotations == {"by": str(winners[0])}
    assert held.metadata.created == seen.metadata.created


async def test_a_plan_that_fails_changes_nothing(bootstrap: str) -> None:
    """The turn is given back: the next writer need not wait."""

    def refuse(_: Present) -> dict[str, PolicyObject | None]:
        raise Failure("no")

    end = (await read_present(bootstrap)).end
    with pytest.raises(Failure, match="^no$"):
        await change(bootstrap, refuse)
    async with asyncio.timeout(PROCESS_S):
        done = await change(bootstrap, lambda _: {})
    assert done.end == end


def test_versions_of_documents() -> None:
    """Only documents that name a version can conflict."""
    text = tenant() + tenant("b", 2).replace("{name: b}", "{name: b, resourceVersion: abc}")
    assert versions_of(documents(text)) == {"Tenant/b/b": "abc"}
