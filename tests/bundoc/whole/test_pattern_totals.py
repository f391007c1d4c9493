"""Patterns take time to compile. All patterns of a commit, or of a collection's rules, have a common limit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.query import commit_patterns
from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.problems import InvalidUpdate
from bunbase.pkg import patterns
from bunbase.pkg.errors import Problem
from bunbase.pkg.rules import pattern_total
from bunbase.pkg.rules.refusal import InvalidRule
from tests.bundoc.permissions.asking import SERVER

C = "posts"
LARGE = r"\pL{5}x"  # This pattern has 6,000 instructions.


def pulls(*texts: str) -> bytes:
    writes = [
        {"op": "patch", "collection": C, "id": "d", "data": {"$pull": {"tags": {"$regex": text}}}} for text in texts
    ]
    return msgspec.json.encode({"writes": writes})


async def made(service: BundocService) -> None:
    await service.create(SERVER, C, b'{"_id":"d","tags":["a","b"]}')


async def test_the_patterns_of_one_commit_have_a_common_limit(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(service)
    compiled: list[str] = []
    compiling = patterns.pattern

    def counted(text: str, most: int) -> patterns.Pattern:
        compiled.append(text)
        return compiling(text, most)

    monkeypatch.setattr(commit_patterns, "pattern", counted)

    with pytest.raises(InvalidUpdate) as refused:
        await service.commit(SERVER, pulls(*(f"{LARGE}{number}" for number in range(500))))

    assert refused.value.extra["write"] == len(compiled) - 1 < 20
    assert "split it into several commits" in refused.value.detail


async def test_a_pattern_that_a_commit_has_many_times_counts_once(service: BundocService) -> None:
    await made(service)

    await service.commit(SERVER, pulls(*([LARGE] * 500)))


def several(count: int, text: str = "x") -> str:
    return " || ".join(f'doc.a.matches("{text}{number}")' for number in range(count))


RULES: dict[str, Rules] = {
    "many patterns in one rule": Rules(get=several(33)),
    "many patterns in several rules": Rules(get=several(20), list=several(20, "y")),
    "many patterns in hidden fields": Rules(get="true", hidden={f"f{n}": several(4, f"p{n}x") for n in range(9)}),
    "large patterns": Rules(get=several(5, r"\\pL{5}")),
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
async def test_the_patterns_of_all_rules_of_a_collection_have_a_common_limit(
    service: BundocService, rules: Rules
) -> None:
    with pytest.raises(InvalidRule) as refused:
        await service.put_collection(SERVER, C, CollectionSpec(rules=rules))
    with pytest.raises(InvalidRule):
        await try_rules(service, rules)

    assert "All rules together" in refused.value.detail or "of all rules together" in refused.value.detail


async def try_rules(service: BundocService, rules: Rules) -> Any:
    body = {"rules": {C: rules}, "documents": {}, "cases": [{"collection": C, "op": "get", "doc": {}}]}
    return await service.test_rules(SERVER, msgspec.json.encode(body))


async def test_the_same_pattern_in_many_rules_counts_once(service: BundocService) -> None:
    rules = Rules(get=several(32), list=several(32), delete=several(32))

    await service.put_collection(SERVER, C, CollectionSpec(rules=rules))


async def test_rules_that_are_stored_already_stay_in_force(
    service: BundocService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.put_collection(SERVER, C, CollectionSpec(rules=Rules(get=several(3))))
    monkeypatch.setattr(pattern_total, "MAX_PATTERNS", 2)

    with pytest.raises(Problem):
        await service.put_collection(SERVER, "other", CollectionSpec(rules=Rules(get=several(3))))
    await service.put_collection(SERVER, C, CollectionSpec(strict=True))
