"""What validate says of files that domain sets name."""

from __future__ import annotations

from pathlib import Path

from tests.compose.test_policy_doubts import other, run
from tests.compose.test_policy_files import written
from tests.resolver.policy.written import rules, tenant

USED = tenant() + rules("name: a, action: deny, match: {domainSets: [ads]}")
WHERE = "document 3: DomainSet/ads spec.file.path"


def test_wrong_lines_of_a_file_beside_the_document_are_warnings(tmp_path: Path) -> None:
    """File and line are named; the rest of the file would stand, so validate passes, unless it is strict."""
    (path,) = written(tmp_path, a=USED + other("DomainSet", "ads", "{file: {path: lists/ads.txt}}"))
    (path.parent / "lists").mkdir()
    (path.parent / "lists" / "ads.txt").write_text("ads.example\nb..c\n")
    code, out, err = run(path, "--directory", tmp_path)
    why = "lists/ads.txt:2: expected a pattern such as *.example.com, got 'b..c': a label is empty (two dots in a row)"
    assert err == f"nameward: warning: {path}: {WHERE}: {why}\n"
    assert (code, out) == (0, f"3 objects in {path}: valid, 1 warning\n")
    assert run(path, "--directory", tmp_path, "--strict")[0] == 1


def test_a_file_of_the_stack_is_read_as_its_resolvers_do(tmp_path: Path) -> None:
    """The stack's directory of such files goes first; what is right there needs no word."""
    (path,) = written(tmp_path, a=USED + other("DomainSet", "ads", "{file: {path: zone, format: rpz}}"))
    (tmp_path / "stack" / "domain-sets").mkdir(parents=True)
    (tmp_path / "stack" / "domain-sets" / "zone").write_text("ads.example CNAME .\n")
    (path.parent / "zone").write_text("of another kind\n")
    assert run(path, "--directory", tmp_path / "stack") == (0, f"3 objects in {path}: valid\n", "")


def test_a_file_that_is_not_at_hand_is_noted(tmp_path: Path) -> None:
    """It may well lie on the resolvers' hosts."""
    (path,) = written(tmp_path, a=USED + other("DomainSet", "ads", "{file: {path: ../ads.txt}}"))
    code, _, err = run(path, "--directory", tmp_path)
    assert code == 0
    assert err == f"nameward: note: {path}: {WHERE}: ../ads.txt is not at hand, its lines are not checked here\n"
