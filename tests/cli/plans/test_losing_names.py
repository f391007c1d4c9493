"""The names of losing changes: people copy them into a shell, and the users of an app choose some of them."""

from __future__ import annotations

import shlex
from typing import Any, cast

import pytest

from bunbase.cli.plans.changes import Change, ChangeClass, LosingChanges, allowing, check_losing, flag_name
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
    return Change(flag_name(f"posts.{field}"), ChangeClass.LOSING, "documents do not match")


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
