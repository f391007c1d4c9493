"""The rules of a collection together: none denies, lookups may wait, hidden fields stay hidden."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.bundoc.rules.inputs import Inputs
from bunbase.bundoc.rules.rule import auth_of
from bunbase.bundoc.rules.ruleset import OPERATIONS, RuleSet
from bunbase.contracts.bundoc import InvalidRule, Rules
from bunbase.contracts.caller import EndUser

ADA = auth_of(EndUser(uid="ada", email=None, role="user", claims={}, session="s"))


async def nothing(collection: str, id: str) -> dict[str, Any] | None:
    return None


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_without_a_rule_nobody_may(operation) -> None:
    rules = RuleSet(Rules())

    assert not await rules.allows(operation, Inputs(auth=ADA), nothing)
    allowed, [step] = await rules.trace(operation, Inputs(auth=ADA), nothing)

    assert not allowed
    assert operation in str(step.error)
    assert rules.filter(Inputs(auth=ADA)) is None


async def test_a_rule_waits_for_what_it_looks_up_and_asks_once_for_each() -> None:
    asked: list[tuple[str, str]] = []

    async def fetch(collection: str, id: str) -> dict[str, Any] | None:
        asked.append((collection, id))
        return {"lead": "ada"} if id == "red" else None

    rules = RuleSet(Rules(get="exists('teams', 'blue') || get('teams', doc.team).lead == get('teams', 'red').lead"))

    assert await rules.allows("get", Inputs(auth=ADA, doc={"team": "red"}), fetch)
    assert asked == [("teams", "blue"), ("teams", "red")]


async def test_no_more_than_ten_documents_are_looked_up() -> None:
    asked: list[str] = []

    async def fetch(collection: str, id: str) -> None:
        asked.append(id)

    rules = RuleSet(Rules(get="doc.ids.all(i, !exists('teams', i))"))

    assert not await rules.allows("get", Inputs(doc={"ids": [f"t{n}" for n in range(20)]}), fetch)
    assert len(asked) == 10


async def test_a_field_is_hidden_when_its_rule_says_so_and_when_it_fails() -> None:
    rules = RuleSet(Rules(hidden={"email": "doc.owner != auth.uid", "notes.private": "auth.role != 'admin'"}))
    body = b'{"email":"e","notes":{"private":1,"open":2}}'

    to_owner = await rules.shown(body, Inputs(auth=ADA, doc={"owner": "ada"}), nothing)
    to_nobody = await rules.shown(body, Inputs(auth=None, doc={"owner": "ada"}), nothing)

    assert to_owner == b'{"email":"e","notes":{"open":2}}'
    assert to_nobody == b'{"notes":{"open":2}}'


def test_a_refusal_names_the_rule() -> None:
    with pytest.raises(InvalidRule) as caught:
        RuleSet(Rules(get="true", create="auth.uid == doc.owner"))

    assert caught.value.extra == {"rule": "create", "line": 1, "column": 13}


@pytest.mark.parametrize("sent", [b'{"read":"true"}', b'{"hidden":{"_id":"true"}}', b'{"hidden":{"a..b":"true"}}'])
def test_what_is_not_a_rule_is_not_taken(sent: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(sent, type=Rules)
