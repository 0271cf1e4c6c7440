"""Reading and verifying what a user hands over: all errors at once, with file, document, object and key path."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from compose.failure import Failure
from compose.policy_files import STDIN, check_alone, check_together, check_without, read_files
from tests.resolver.policy.written import objects, rules, tenant, virtual

WRONG = rules("name: a, action: deny, match: {qname: [ok.com, b..c]}")


def written(directory: Path, **texts: str) -> list[Path]:
    """Files of these texts."""
    paths = []
    for name, text in texts.items():
        paths.append(directory / f"{name}.yaml")
        paths[-1].write_text(text)
    return paths


def test_files_directories_and_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are read; a directory gives its YAML files in order and nothing else."""
    (tmp_path / "notes.txt").write_text("not policy: [")
    written(tmp_path, b=rules("name: a, action: deny"), a=tenant())
    monkeypatch.setattr("sys.stdin", io.StringIO(virtual("a.internal", "type: A, data: 10.0.0.1")))
    found = read_files([tmp_path, STDIN])
    assert [document.key for document in found] == ["Tenant/acme/acme", "DNSPolicy/-/p", "VirtualName/-/v"]
    assert found[2].file == "standard input"


def test_errors_of_all_files_together(tmp_path: Path) -> None:
    """A mistake in one file does not hide that in another."""
    paths = written(tmp_path, a="kind: Nope", b="a: [", c=tenant(), d=tenant())
    with pytest.raises(Failure) as caught:
        read_files(paths)
    told = str(caught.value)
    assert all(
        part in told for part in ("a.yaml: document 1: kind: ", "b.yaml: line ", "d.yaml: document 1: metadata.name: ")
    )


@pytest.mark.parametrize(("content", "why"), [(b"", "no object"), (b"\xff\xfe", "not UTF-8")])
def test_files_without_use(tmp_path: Path, content: bytes, why: str) -> None:
    """An empty file and one that is no text are told in one sentence."""
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(Failure, match=why):
        read_files([path])


def test_verified_together_with_what_is_there(tmp_path: Path) -> None:
    """A reference to a tenant on the broker is right; a mistake names file, document, object and key path."""
    present = objects(tenant())
    check_together(read_files(written(tmp_path, a=rules("name: a, action: deny"))), present)
    with pytest.raises(Failure) as caught:
        check_together(read_files(written(tmp_path, a=WRONG)), present)
    assert "a.yaml: document 1: DNSPolicy/p spec.rules[0].match.qname[1]: " in str(caught.value)
    with pytest.raises(Failure, match=r"spec\.tenants\[0\]: there is no tenant 'acme'"):
        check_together(read_files(written(tmp_path, a=rules("name: a, action: deny"))), {})


def test_the_newcomer_is_at_fault(tmp_path: Path) -> None:
    """Of two tenants claiming the same subnet the one being applied is wrong, not the one that is there."""
    with pytest.raises(Failure, match=r"Tenant/globex .* claimed by tenant 'acme'"):
        check_together(read_files(written(tmp_path, a=tenant("globex", 1))), objects(tenant("acme", 1)))


def test_a_change_must_not_break_others(tmp_path: Path) -> None:
    """Taking away an upstream group that a rule routes to is refused; what was wrong before is not held against it."""
    present = objects(
        tenant() + rules("name: a, action: route, route: main") + rules("name: b, action: pass", name="old")
    )
    with pytest.raises(Failure, match=r"^DNSPolicy/p spec\.rules\[0\]\.route"):
        check_together(read_files(written(tmp_path, a=tenant().replace("name: main", "name: other"))), present)
    check_together(read_files(written(tmp_path, a=tenant(default="deny"))), present)


def test_alone_where_tenants_may_be_elsewhere(tmp_path: Path) -> None:
    """Without any tenant among the documents references are noted; with one they must lead somewhere."""
    lone = rules("name: a, action: deny")
    (note,) = check_alone(read_files(written(tmp_path, a=lone)))
    assert "there is no tenant 'acme'" in note
    assert check_alone(read_files(written(tmp_path, a=tenant() + lone))) == []
    with pytest.raises(Failure, match="there is no tenant 'acme'"):
        check_alone(read_files(written(tmp_path, a=tenant("globex") + lone)))
    with pytest.raises(Failure, match=r"qname\[1\]"):
        check_alone(read_files(written(tmp_path, a=WRONG)))


def test_what_others_need_stays() -> None:
    """A tenant named by a policy cannot be deleted; the policy can, and then the tenant."""
    present = objects(tenant() + rules("name: a, action: deny"))
    with pytest.raises(Failure, match=r"(?s)Tenant acme cannot be deleted.*DNSPolicy/p spec\.tenants\[0\]"):
        check_without("Tenant/acme/acme", present)
    check_without("DNSPolicy/-/p", present)
    del present["DNSPolicy/-/p"]
    check_without("Tenant/acme/acme", present)
