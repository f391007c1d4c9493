"""The rules of one collection."""

from __future__ import annotations

import msgspec
import pytest

from bunbase.bundoc.rules.ruleset import OPERATIONS, Operation, RuleSet
from bunbase.contracts.bundoc.collections import Rules
from bunbase.contracts.caller import EndUser
from bunbase.contracts.rule_variables import auth_of
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.refusal import InvalidRule

ADA = auth_of(EndUser(uid="ada", email=None, role="user", claims={}, session="s"))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_collection_without_rules_has_an_empty_rule_set(operation: Operation) -> None:
    rules = RuleSet(Rules())

    assert operation not in rules.rules


def test_a_rule_looks_up_at_most_ten_documents() -> None:
    asked: list[str] = []

    def lookup(collection: str, id: str) -> None:
        asked.append(id)

    rules = RuleSet(Rules(get="doc.ids.all(i, !exists('teams', i))"))
    inputs = Inputs(doc={"ids": [f"t{n}" for n in range(20)]}, lookup=lookup)

    assert not rules.rules["get"].allows(inputs)
    assert len(asked) == 10


@pytest.mark.parametrize(
    ("rule", "never"),
    [
        ("auth.role != 'user'", True),
        ("auth.role == 'admin' && doc.a == 1", True),
        ("doc.a == 1 && auth == null", True),
        ("auth.uid != doc.owner", False),
        ("auth.role == 'user'", False),
        ("auth.claims.gone", False),
        ("doc.tags.all(t, t == 'x')", False),
    ],
)
def test_a_field_counts_as_visible_only_if_no_document_can_hide_it(rule: str, never: bool) -> None:
    rules = RuleSet(Rules(hidden={"email": rule}))

    assert rules.hidden["email"].never(Inputs(auth=ADA)) is never


def test_the_refusal_of_a_rule_set_names_the_rule() -> None:
    with pytest.raises(InvalidRule) as caught:
        RuleSet(Rules(get="true", create="auth.uid == doc.owner"))

    assert caught.value.extra == {"rule": "create", "line": 1, "column": 13}


@pytest.mark.parametrize("sent", [b'{"read":"true"}', b'{"hidden":{"_id":"true"}}', b'{"hidden":{"a..b":"true"}}'])
def test_an_unknown_operation_is_refused(sent: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(sent, type=Rules)
