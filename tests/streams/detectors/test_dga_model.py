"""The name model: told from arrays of names at once, independent of how they are sliced, and good on families it never saw."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.detectors.dga_model import Labels, NameModel, shipped
from tests.bench import dga_model as training

NAMES = st.lists(st.text(alphabet="abcxyz019-_.\\é", max_size=80), max_size=30)


@given(NAMES)
def test_labels_are_what_stands_before_the_first_dot(names: list[str]) -> None:
    """Whatever the names hold, bytes and lengths agree with Python's own partition."""
    found = Labels.of(pa.array(names, pa.string()))
    expected = [name.partition(".")[0].encode() for name in names]
    assert (found.data.tobytes(), found.lengths.tolist()) == (b"".join(expected), [len(label) for label in expected])


@given(NAMES.filter(len), st.data())
def test_a_name_scores_the_same_alone_in_a_crowd_and_in_a_slice(names: list[str], data: st.DataObject) -> None:
    """Scores are finite, and no name has anything to do with its neighbours."""
    array = pa.array(names, pa.string())
    scores = shipped().score(array)
    start = data.draw(st.integers(0, len(names) - 1))
    np.testing.assert_allclose(shipped().score(array.slice(start)), scores[start:])
    alone = [float(shipped().score(pa.array([name]))[0]) for name in names]
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(alone, scores)


def test_no_names_have_no_scores() -> None:
    """An empty column is no error."""
    assert len(shipped().score(pa.array([], pa.string()))) == 0


@pytest.mark.parametrize(("generated", "chosen"), [
    ("kkfgkjjuuqyx.com", "wikipedia.org"), ("7phqhkfuxuf8upakef1viq4to.com", "bundesregierung.de"), ("iukcymomokqkmugs.org", "stackoverflow.com"),
])  # fmt: skip
def test_letters_at_random_score_above_what_people_chose(generated: str, chosen: str) -> None:
    """On either side of even odds."""
    above, below = shipped().score(pa.array([generated, chosen]))
    assert above > 0 > below


def test_a_model_survives_being_written() -> None:
    """To the byte: what was rounded once is not rounded again."""
    first, second = io.BytesIO(), io.BytesIO()
    shipped().write(first)
    first.seek(0)
    NameModel.read(first).write(second)
    assert first.getvalue() == second.getvalue()


@pytest.fixture(scope="module")
def names() -> training.Names:
    """The lists, if they lie beside the project."""
    if not training.LISTS.exists():
        pytest.skip(f"the lists of families are not in {training.LISTS}: they may not be shipped with the project")
    return training.read()


def test_families_never_seen_are_told_from_popular_names(names: training.Names) -> None:
    """Trained without it, each kind of family is told from popular names nobody learnt from with an AUC of 0.95 at least."""
    families = ("conficker", "cryptolocker", "pushdo", "rovnix", "matsnu")
    quality = training.held_out_quality(names, training.language(names.spoken), families)
    assert {family: area for family, (area, _) in quality.items() if area < 0.95} == {}


def test_the_shipped_model_is_the_one_the_command_makes(names: training.Names) -> None:
    """It names what it never saw, and a model trained again from the same lists says the same."""
    again = training.train(names, training.language(names.spoken), training.TEST)
    some = pa.array([*names.judged[:1000], *names.families["conficker"][:1000]])
    assert shipped().held_out == again.held_out == training.TEST
    np.testing.assert_allclose(shipped().score(some), again.score(some), atol=0.01)
