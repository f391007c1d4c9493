"""Count the checks in a report of schemathesis (NDJSON): passes, known differences, and failures with their answers."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tests.outside.tally import Tally

ID: Final = re.compile(r"[a-z]{2,4}_[0-9a-z]{20,}|\b[0-9a-z]{26}\b|\d+")


class Known(msgspec.Struct, frozen=True):
    """A difference that our docs describe.

    `check`: the name of the check; `found`: a pattern in the description of the failure.
    """

    reason: str
    check: str
    found: str

    def describes(self, check: str, found: str) -> bool:
        return check == self.check and re.search(self.found, found) is not None


class Report(msgspec.Struct):
    """The result of a run. `requests`: the number of answered requests.

    `followed`: the number of these requests whose parameters come from a link.
    """

    known: tuple[Known, ...]
    requests: int = 0
    followed: int = 0
    failures: Counter[str] = msgspec.field(default_factory=Counter)

    def read(self, lines: Iterable[str], tally: Tally) -> None:
        """Count the checks of a report in `tally`. The last line may be cut off by a time limit."""
        for line in lines:
            try:
                event: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            recorder = event.get("ScenarioFinished", {}).get("recorder") or {}
            self.requests += len(recorder.get("interactions", {}))
            self.followed += sum(bool(case["is_transition_applied"]) for case in recorder.get("cases", {}).values())
            for case, checks in recorder.get("checks", {}).items():
                for check in checks:
                    self._count(check, _answer(recorder, case), tally)
        tally.failed = [f"{count} times {one}" for one, count in self.failures.most_common()]

    def _count(self, check: dict[str, Any], answer: str, tally: Tally) -> None:
        if check["status"] != "failure":
            tally.passed += 1
            return
        failure = check["failure_info"]["failure"]
        found = f"{failure['operation']}: {answer} {failure['message']}"
        reason = next((one.reason for one in self.known if one.describes(check["name"], found)), "")
        if reason:
            tally.known[reason] += 1
        else:
            self.failures[ID.sub("N", f"{check['name']}: {found}"[:300].replace("\n", " "))] += 1


def _answer(recorder: dict[str, Any], case: str) -> str:
    """Return the status, the code and the detail of the answer to a case."""
    response = recorder["interactions"].get(case, {}).get("response")
    if response is None:
        return "no answer"
    text = base64.b64decode((response["content"] or {}).get("$base64", "")).decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict) or "code" not in body:
        return f"{response['status_code']} {text[:80]}"
    return f"{response['status_code']} {body['code']} {body.get('detail')}"
