"""The step that sends a collection waits for its indexes, and reports why an index was not built."""

from __future__ import annotations

from typing import Any, cast

import pytest

from bunbase.cli.errors import Failure
from bunbase.cli.output import Output
from bunbase.cli.plans.collections import putting
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.collections import Collection, CollectionSpec, IndexSpec, IndexState


class Answers:
    """A session that returns these answers. `sent`: the paths of the requests."""

    def __init__(self, *answers: Any) -> None:
        self.answers = [*answers]
        self.sent: list[str] = []

    def ask(self, _type: type, call: Any) -> Any:
        self.sent.append(f"{call.method} {call.path}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def made(field: str, ready: bool) -> Collection:
    return Collection("posts", "2026-01-01T00:00:00Z", (IndexState("one", (field,), unique=True, ready=ready),))


@pytest.mark.parametrize("left", [made("slug", ready=True), Collection("posts", "2026-01-01T00:00:00Z")])
def test_a_unique_index_that_was_not_built_is_asked_for_again(left: Collection) -> None:
    """After the second request, the server reports the reason. The index to replace may have the same name."""
    spec = CollectionSpec((IndexSpec(("title",), "one", unique=True),))
    answers = Answers(
        made("title", ready=False), left, Failure("unique_violation", "Two documents have the same title.")
    )

    with pytest.raises(Failure):
        putting(cast(Session, answers), "prj_a", "posts", spec)(Output(json=False))

    path = "/v1/collections/posts"
    assert answers.sent == [f"PUT {path}?wait=false", f"GET {path}", f"PUT {path}"]


def test_a_unique_index_that_was_built_is_asked_for_once() -> None:
    spec = CollectionSpec((IndexSpec(("title",), "one", unique=True),))
    answers = Answers(made("title", ready=False), made("title", ready=True))

    putting(cast(Session, answers), "prj_a", "posts", spec)(Output(json=False))

    assert len(answers.sent) == 2
