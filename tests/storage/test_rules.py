"""Rules of buckets: the variables that each rule has, and values that make a rule deny."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.bundoc.problems import RuleDenied
from bunbase.contracts.caller import Caller, EndUser
from bunbase.contracts.storage import BucketRules, BucketSpec, InvalidBucket
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.rules.refusal import InvalidRule
from bunbase.storage.deciding import Deciding, Question
from bunbase.storage.rules import OpenBucket, checked_spec, object_values, open_bucket
from bunbase.storage.store.buckets import BucketRow
from bunbase.storage.store.objects import ObjectRow
from tests.rooms import publishable_caller

ROW = ObjectRow(1, 1, b"ada/a.png", 10, "e", "image/png", "", '{"shared":"yes"}', "ada", 1000, 2000, 1, "{}")
ADA = publishable_caller("prj_a", EndUser("ada", None, "user", {}, "ses_1"))


def bucket_with(**rules: str) -> OpenBucket:
    return open_bucket(BucketRow(1, "files", checked_spec(BucketSpec(rules=BucketRules(**rules))), 0))


@pytest.fixture
def deciding() -> Deciding:
    documents: Any = None
    return Deciding(documents, ManualClock())


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [
        ("object.owner == auth.uid", True),
        ("object.key.startsWith(auth.uid + '/')", True),
        ("object.metadata.shared == 'yes' && object.content_type.startsWith('image/')", True),
        ("object.metadata.missing == 'yes'", False),
        ("object.size > 5 && object.size < 11 && object.bucket == 'files'", True),
        ("object.created < object.updated && object.updated < now", True),
        ("request.op == 'get' && request.bucket == 'files'", True),
        ("object.size / 0 > 1", False),
        ("[1, 2, 3].all(x, x > 1)", False),
        ("auth.role == 'admin'", False),
    ],
)
async def test_a_rule_decides(deciding: Deciding, rule: str, allowed: bool) -> None:
    question = Question(bucket_with(get=rule), "get", object_values(ROW, "files"))

    assert await deciding.allows(ADA, question) is allowed


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        ("get", "next.size > 1"),
        ("create", "object.size > 1"),
        ("list", "next.size > 1"),
        ("delete", "next.size > 1"),
        ("get", "doc.size > 1"),
        ("get", "object.path == 'a'"),
        ("get", "object.size == 'a'"),
        ("get", "request.id == 'a'"),
        ("get", "object"),
        ("list", "exists('a', 'b')"),
        ("list", "object.size > 1 && get('a', object.key).x == 1"),
        ("get", "object.key.matches('(')"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_name(operation: str, rule: str) -> None:
    with pytest.raises(InvalidRule) as refused:
        bucket_with(**{operation: rule})

    assert refused.value.extra["rule"] == operation


@pytest.mark.parametrize("mime", ["png", "image/", "*", "image/*; q=1", "image/p ng", ""])
def test_a_pattern_of_types_that_is_none_is_refused(mime: str) -> None:
    with pytest.raises(InvalidBucket):
        checked_spec(BucketSpec(mime=(mime,)))


async def test_a_page_has_a_budget_of_steps(deciding: Deciding) -> None:
    visible = deciding.visible(ADA, bucket_with(list="object.owner == auth.uid"))
    assert visible(ROW)
    assert not visible.spent
    visible.left = 0

    assert visible.spent
    assert visible(ROW)  # The page ends, but the budget hides no object.


async def test_a_caller_who_may_know_it_sees_why_a_rule_denies(deciding: Deciding) -> None:
    asking: Caller = msgspec.structs.replace(ADA, explain=True)
    denying = Question(bucket_with(get="object.size > 100"), "get", object_values(ROW, "files"))
    missing = Question(bucket_with(), "get", object_values(ROW, "files"))

    told = [await deciding.refusal(caller, question) for caller in (asking, ADA) for question in (denying, missing)]

    assert all(isinstance(one, RuleDenied) for one in told)
    assert told[0].extra["trace"][-1]["value"] is False
    assert "no rule get" in told[1].extra["trace"][0]["error"]
    assert told[2].extra == told[3].extra == {}
