"""The cookbook in docs/rules.md is correct: each row is tested with an allowed and a denied caller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.bundoc.service import BundocService
from bunbase.contracts.bundoc.collections import CollectionSpec, Rules
from bunbase.contracts.bundoc.documents import NO_PRECONDITION
from bunbase.contracts.bundoc.problems import DocumentNotFound, RuleDenied
from bunbase.contracts.caller import EndUser
from tests.rooms import publishable_caller, secret_caller

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
ROW = re.compile(r"^\| ([^|]+) \| `(.+)` \|$", re.MULTILINE)

SERVER = secret_caller("prj_a")
MINE = {"owner": "ada"}
TEAMS = {"ada": "red"}


@dataclass(frozen=True)
class Row:
    """A row of the cookbook. `may`, `may_not`: callers and documents that its rule allows or denies."""

    op: str
    may: tuple[str | None, dict[str, Any]]
    may_not: tuple[str | None, dict[str, Any]] | None


ROWS = {
    "everybody": Row("read", (None, {}), None),
    "signed-in users": Row("read", ("ada", {}), (None, {})),
    "the owner": Row("read", ("ada", MINE), ("eve", MINE)),
    "the owner; everybody if the post is published": Row("read", (None, {"published": True}), ("eve", MINE)),
    "members listed in the document": Row("read", ("ada", {"members": ["ada"]}), ("eve", {"members": ["ada"]})),
    "administrators": Row("read", ("root", {}), ("ada", {})),
    "members of the team `doc.team` (for `list`, see below)": Row(
        "read", ("ada", {"team": "red"}), ("eve", {"team": "red"})
    ),
    "members of the team `doc.team`, if a claim of the user lists the user's teams": Row(
        "read", ("ada", {"team": "red"}), ("eve", {"team": "red"})
    ),
    "users who have confirmed their address": Row("read", ("verified", {}), ("ada", {})),
    "users who have signed up, but not anonymous users": Row("read", ("ada", {}), ("anonymous", {})),
    "users who have signed in with a second factor": Row("read", ("careful", {}), ("ada", {})),
    "the users themselves, but not administrators in their place": Row("read", ("ada", {}), ("root", {})),
    "users with a claim": Row("read", ("editor", {}), ("ada", {})),
    "the user who becomes the owner (create)": Row("create", ("ada", MINE), ("eve", MINE)),
    "the owner, who stays the owner (update)": Row("update", ("ada", MINE), ("eve", MINE)),
    "the owner, who may change two fields (update)": Row("update", ("ada", MINE), ("eve", MINE)),
    "everybody, during the first day after the document was created": Row("update", ("ada", MINE), None),
    "only the owner may see one field": Row("hidden", ("ada", MINE), ("eve", MINE)),
}


def cookbook() -> dict[str, str]:
    _, _, rest = PAGE.read_text("utf-8").partition("## Cookbook")
    return {who: rule.replace("\\|", "|") for who, rule in ROW.findall(rest.partition("## ")[0])}


def caller(uid: str | None) -> Any:
    role, claims = (
        ("admin" if uid == "root" else "user"),
        {"editor": uid == "editor", "teams": ["red"] * (uid == "ada")},
    )
    if uid is None:
        return publishable_caller("prj_a")
    how: dict[str, Any] = {
        "verified": uid == "verified",
        "anonymous": uid == "anonymous",
        "act": "usr_dev" if uid == "root" else "",
        "aal": 2 if uid == "careful" else 1,
    }
    return publishable_caller("prj_a", EndUser(uid, None, role, claims, "s", **how))


async def allowed(service: BundocService, row: Row, uid: str | None, fields: dict[str, Any]) -> bool:
    """True if the rule allows the caller the operation. A get and a list must have the same result."""
    who, body = caller(uid), msgspec.json.encode(fields)
    if row.op == "create":
        return await done(service.create(who, "posts", body))
    await service.put(SERVER, "posts", "a", body, NO_PRECONDITION)
    if row.op == "update":
        return await done(service.patch(who, "posts", "a", b'{"title":"x"}', NO_PRECONDITION))
    got = await done(service.get(who, "posts", "a"))
    listed = msgspec.json.decode((await service.list(who, "posts", 10, None)).body)["items"]
    assert bool(listed) == got
    return got


async def done(asked: Any) -> bool:
    try:
        await asked
    except (RuleDenied, DocumentNotFound):
        return False
    return True


def test_every_row_of_the_cookbook_is_tested() -> None:
    assert cookbook().keys() == ROWS.keys()


@pytest.mark.parametrize("who", [who for who, row in ROWS.items() if row.op != "hidden"])
async def test_each_row_of_the_cookbook_allows_only_its_callers(service: BundocService, who: str) -> None:
    row, rule = ROWS[who], cookbook()[who]
    await service.put(SERVER, "teams", "red", b'{"members":["ada"]}', NO_PRECONDITION)
    names = ("get", "list") if row.op == "read" else (row.op,)
    rules = msgspec.convert(dict.fromkeys(names, rule), Rules)
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=rules))

    assert await allowed(service, row, *row.may)
    assert row.may_not is None or not await allowed(service, row, *row.may_not)


async def test_the_cookbook_row_for_hidden_fields_hides_the_fields(service: BundocService) -> None:
    (name, rule), *_ = msgspec.json.decode(
        cookbook()["only the owner may see one field"].removeprefix("hidden: ")
    ).items()
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=Rules(get="true", hidden={name: rule})))
    await service.put(SERVER, "posts", "a", b'{"owner":"ada","email":"a@x"}', NO_PRECONDITION)

    assert b"a@x" in (await service.get(caller("ada"), "posts", "a")).body
    assert b"a@x" not in (await service.get(caller("eve"), "posts", "a")).body


async def test_an_owner_cannot_change_the_owner(service: BundocService) -> None:
    rules = Rules(update=cookbook()["the owner, who stays the owner (update)"], get="true")
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=rules))
    await service.put(SERVER, "posts", "a", b'{"owner":"ada"}', NO_PRECONDITION)

    assert not await done(service.patch(caller("ada"), "posts", "a", b'{"owner":"eve"}', NO_PRECONDITION))


async def test_an_owner_can_change_only_the_fields_that_the_rule_names(service: BundocService) -> None:
    rules = Rules(update=cookbook()["the owner, who may change two fields (update)"], get="true")
    await service.put_collection(SERVER, "posts", CollectionSpec(rules=rules))
    await service.put(SERVER, "posts", "a", b'{"owner":"ada","n":1}', NO_PRECONDITION)

    for refused in (b'{"title":"x","n":2}', b'{"n":null}', b'{"$rename":{"n":"title"}}', b'{"$set":{"m":1}}'):
        assert not await done(service.patch(caller("ada"), "posts", "a", refused, NO_PRECONDITION))
    assert await done(service.patch(caller("ada"), "posts", "a", b'{"title":"x","text":"y","n":1}', NO_PRECONDITION))
