from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bunbase.contracts.acts import Act
from bunbase.gateway.audit.shown import SHOWN, shown_values

SECRETS = {"value": "v", "password": "p", "key": "sk_x", "token": "bpt_x", "claims": {"a": 1}, "data": {"b": 1}}


def shown(act: Act, sent: Any = None, answer: Any = None, method: str = "POST") -> dict[str, Any] | None:
    bodies = [b"" if body is None else msgspec.json.encode(body) for body in (sent, answer)]
    return shown_values(act, method, *bodies)


@pytest.mark.parametrize("act", [act for act in Act if act is not Act.DOCUMENT_WRITE])
def test_only_the_listed_fields_of_an_act_are_shown(act: Act) -> None:
    everything = SECRETS | {name: name for name in SHOWN.get(act, ())}

    found = shown(act, everything, everything) or {}

    assert set(found) == set(SHOWN.get(act, ()))


def test_the_answer_counts_more_than_the_request() -> None:
    assert shown(Act.PROJECT_UPDATE, {"name": " Bakery "}, {"name": "Bakery"}) == {"name": "Bakery"}


def test_a_new_member_is_shown_with_the_address() -> None:
    member = {"user": {"id": "usr_eve", "email": "eve@example.com", "name": "Eve"}, "role": "viewer"}

    assert shown(Act.MEMBER_ADD, {"user": "usr_eve"}, member) == {"role": "viewer", "email": "eve@example.com"}


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b'"text"', b"\xff", b"[" * 10_000])
def test_a_body_that_is_no_object_shows_nothing(body: bytes) -> None:
    assert shown_values(Act.PROJECT_UPDATE, "PATCH", body, body) is None


@pytest.mark.parametrize(
    ("method", "sent", "answer", "expected"),
    [
        ("POST", {"title": "Rye"}, {"_id": "rye", "_rev": 1}, {"op": "create", "rev": 1, "fields": ["title"]}),
        ("PUT", {"_id": "a", "b": {"c": 1}}, {"_rev": 3}, {"op": "put", "rev": 3, "fields": ["b"]}),
        ("PATCH", {"$set": {"a.b": 1}, "$inc": {"n": 2}}, {"_rev": 4}, {"op": "patch", "rev": 4, "fields": ["a", "n"]}),
        ("DELETE", None, None, {"op": "delete"}),
    ],
)
def test_a_written_document_shows_revision_and_names_of_fields_only(
    method: str, sent: Any, answer: Any, expected: Any
) -> None:
    assert shown(Act.DOCUMENT_WRITE, sent, answer, method) == expected


def test_a_commit_shows_each_of_its_writes() -> None:
    writes = [
        {"op": "put", "collection": "posts", "id": "rye", "data": {"title": "Rye"}},
        {"op": "delete", "collection": "posts", "id": "old"},
    ]
    results = [{"id": "rye", "rev": 2}, {"id": "old", "rev": 0}]

    assert shown(Act.DOCUMENT_WRITE, {"writes": writes}, {"seq": 1, "results": results}) == {
        "op": "commit",
        "count": 2,
        "writes": [
            {"op": "put", "collection": "posts", "id": "rye", "rev": 2, "fields": ["title"]},
            {"op": "delete", "collection": "posts", "id": "old", "rev": 0},
        ],
    }


def test_a_large_commit_shows_its_number_of_writes_and_the_first_of_them() -> None:
    writes = [{"op": "delete", "collection": "posts", "id": str(n)} for n in range(500)]

    found = shown(Act.DOCUMENT_WRITE, {"writes": writes}, {"results": [{"id": "x", "rev": 0}] * 500})

    assert found is not None
    assert (found["count"], len(found["writes"])) == (500, 50)
