"""Which of the objects wanted are put in force: each as wanted, else as it last was; and the version of the result.

The deciding half of store.py's swap, in slices. Pure. Must not know views or who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from resolver.policy.compiler import Memo, Problem, verifying
from resolver.policy.steps import Steps, slices
from schemas.objects import PolicyObject, encode_object
from schemas.signals import Overlay, encode_signal


def acceptable(
    wanted: Mapping[str, PolicyObject], good: Mapping[str, PolicyObject], memo: Memo
) -> Steps[tuple[dict[str, PolicyObject], list[Problem]]]:
    """The objects to put in force: each as wanted, else as it last was, else not at all; and why.

    What is in force already comes first, so that of two claiming the same the newcomer is refused.
    """
    chosen = dict(wanted)
    refused: dict[str, list[Problem]] = {}
    while True:
        incumbent = {key: obj for key, obj in chosen.items() if good.get(key) is obj}
        chosen = incumbent | {key: obj for key, obj in chosen.items() if key not in incumbent}
        yield
        problems = yield from verifying(chosen, memo)
        wrong = {problem.key for problem in problems if not problem.dangling}
        if not wrong:
            dangling = [problem for problem in problems if problem.key not in refused]
            return chosen, [problem for found in refused.values() for problem in found] + dangling
        for key in wrong:
            refused.setdefault(key, [problem for problem in problems if problem.key == key])
            last, tried = good.get(key), chosen.pop(key)
            if last is not None and last is not tried:
                chosen[key] = last


def digesting(objects: Mapping[str, PolicyObject]) -> Steps[bytes]:
    """Digest of objects, the same for the same ones in any order."""
    digest = sha256()
    for part in slices(sorted(objects)):
        yield
        for key in part:
            digest.update(encode_object(objects[key]))
    return digest.digest()


def version_of(objects: bytes, overlays: Mapping[str, Overlay]) -> str:
    """Version of a policy: of the digest of its objects, and its overlays."""
    digest = sha256(objects)
    for tenant in sorted(overlays):
        digest.update(encode_signal(overlays[tenant]))
    return digest.hexdigest()[:12]
