"""Do the steps of a plan one after the other. The first failed step ends the work; every step can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

import msgspec

from bunbase.cli.errors import Failure
from bunbase.cli.output import Output

Do = Callable[[Output], str]


class Done(StrEnum):
    APPLIED = "applied"
    FAILED = "failed"
    NOT_TRIED = "not tried"


class PlannedStep(msgspec.Struct, frozen=True):
    """One request, or one request and the wait for its effect.

    `do`: runs the step, and returns a sentence about the result, or "" for no sentence.
    """

    name: str
    do: Do


class Progress(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of a step. `problem`: the reason why the step failed."""

    name: str
    outcome: Done
    problem: dict[str, Any] | None = None


class Work:
    """The steps that ran. `failure`: the failure of the first failed step. No later step runs."""

    def __init__(self, out: Output) -> None:
        self.out = out
        self.progress: list[Progress] = []
        self.failure: Failure | None = None

    def do(self, steps: Iterable[PlannedStep], skip: bool = False) -> None:
        """Run the steps in their order. `skip`: run no step, and only note that each was skipped."""
        for step in steps:
            if skip or self.failure is not None:
                self.progress.append(Progress(step.name, Done.NOT_TRIED))
                continue
            try:
                sentence = step.do(self.out)
            except Failure as failure:
                self.failure = failure
                self.progress.append(Progress(step.name, Done.FAILED, failure.document()))
                continue
            self.progress.append(Progress(step.name, Done.APPLIED))
            if sentence:
                self.out.done(sentence)

    def tell_of_failure(self) -> None:
        """After a failure, print which changes were applied and which were not."""
        if self.failure is None:
            return
        names = {done: [one.name for one in self.progress if one.outcome is done] for done in Done}
        self.out.warn(
            f"Applied: {_listed(names[Done.APPLIED])}. Failed: {_listed(names[Done.FAILED])}. "
            f"Not tried: {_listed(names[Done.NOT_TRIED])}. Run the command again after you have corrected the cause: "
            "it skips what is applied."
        )


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "nothing"
