"""The names of losing changes: people copy them into a shell, and the users of an app choose some of them."""

from __future__ import annotations

import shlex
from typing import Any, cast

import pytest

from bunbase.cli.plans.changes import (
    Change,
    ChangeClass,
    LosingChanges,
    allowing,
    check_losing,
    flag_name,
    name_of,
    name_of_field,
)
from bunbase.cli.plans.counting import MOST_FIELDS, WHOLE, DocumentCounts
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.collections import Misfit, Misfits

HOSTILE = [
    "$(touch pwned)",
    "; id #",
    "`id`",
    "a b",
    "x'y\"z",
    "\u009b31m",
    "\u202egnp.exe",
    "--yes",
    "%PATH%",
    "a\\b",
    "&calc",
]


def losing(field: str) -> Change:
    return Change(name_of_field("posts", field), ChangeClass.LOSING, "documents do not match")


@pytest.mark.parametrize("field", HOSTILE)
def test_a_name_that_a_user_has_chosen_is_one_harmless_word_of_a_shell(field: str) -> None:
    flags = allowing([losing(field)])

    assert shlex.split(flags, comments=True) == ["--allow-losing", losing(field).name]
    assert flags.isprintable()
    assert not set(flags) & set("'\"$`;&|<>()#\\")
    assert flags.count(" ") == 1


@pytest.mark.parametrize("field", [*HOSTILE, "price", "größe", "a-b"])
def test_a_losing_change_is_allowed_by_its_flag_and_by_its_field(field: str) -> None:
    with pytest.raises(LosingChanges):
        check_losing([losing(field)], ["posts.other"])

    check_losing([losing(field)], [losing(field).name])
    check_losing([losing(field)], [f"posts.{field}"])


FIELDS = [
    "expires",
    "schema",
    "indexes.slug",
    "schema.expires",
    "price",
    "before_write.x",
    "collections",
    "auth",
    "a.b",
]


def test_two_losses_never_have_the_same_name() -> None:
    """Some names of fields are those of settings, and some names of collections are those of parts of a project."""
    names = [
        name_of(collection, *parts)
        for collection in ("posts", "auth", "collections")
        for parts in ((), ("expires",), ("schema",), ("before_write",), ("indexes", "slug"))
    ]
    names += [name_of_field(collection, field) for collection in ("posts", "auth", "collections") for field in FIELDS]
    names += ["auth.expires", "auth.price"]  # These are settings for users.

    assert len(set(names)) == len(names)
    assert name_of_field("posts", "expires") == "posts.schema.expires"
    assert (name_of_field("auth", "price"), name_of("auth")) == ("collections.auth.price", "collections.auth")


def test_errors_of_a_field_that_is_called_schema_are_counted_alone() -> None:
    items = (Misfit("d1", ({"path": "/schema"},)), Misfit("d2", ({"path": ""},)), Misfit("d3", ({"path": ""},)))
    counts = DocumentCounts(cast(Session, Answering(Misfits(items, len(items), None))), "prj_a")

    found, _ = counts.misfits("posts", {}, True, {"schema"})

    assert found == {"schema": 1, WHOLE: 2}


@pytest.mark.parametrize("name", ["posts.price", "posts.größe", "posts.a-b", "posts.a_b"])
def test_ordinary_names_stay_as_they_are(name: str) -> None:
    assert flag_name(name) == name


def test_fields_that_users_have_invented_do_not_need_a_flag_each() -> None:
    invented = [f"x{number:03}" for number in range(100)]
    items = tuple(Misfit(f"d{at:03}", ({"path": f"/{at}"},)) for at in [*invented, "price", "price"])
    counts = DocumentCounts(cast(Session, Answering(Misfits(items, len(items), None))), "prj_a")

    found, complete = counts.misfits("posts", {}, True, {"price"})

    assert (found["price"], found[WHOLE], len(found), complete) == (2, 100 - MOST_FIELDS, MOST_FIELDS + 2, True)


class Answering:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, *_asked: Any) -> Any:
        return self.answer
