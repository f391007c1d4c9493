"""The times at which the jobs of the room run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from bunbase.bunauth.jobs import mail_request_job


async def test_a_request_for_a_mail_is_answered_after_the_answer_to_its_caller() -> None:
    """The job takes longer for an address with an account. It must not delay the answer, which would show this."""

    async def answer_all() -> None: ...

    requests: Any = SimpleNamespace(answer_all=answer_all, nudge=None)

    job = mail_request_job(requests)

    assert requests.nudge == job.nudge_later
