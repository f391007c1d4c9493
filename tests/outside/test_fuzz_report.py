"""The reading of a report of schemathesis."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.outside.fuzz_known import KNOWN
from tests.outside.fuzz_report import Report
from tests.outside.tally import Tally

OPERATION = "GET /v1/data/{collection}"


def event(*checks: tuple[str, str, int, dict[str, Any] | None]) -> str:
    """Return a line of a report with a case for each check: name, status, status of the answer, body of the answer."""
    recorder: dict[str, Any] = {"cases": {}, "checks": {}, "interactions": {}}
    for number, (name, status, code, body) in enumerate(checks):
        failure = {"failure": {"operation": OPERATION, "message": "Unexpected answer"}}
        content = {"$base64": base64.b64encode(json.dumps(body).encode()).decode()}
        case = f"case{number}"
        recorder["cases"][case] = {"is_transition_applied": number == 0}
        recorder["checks"][case] = [{"name": name, "status": status, "failure_info": failure}]
        recorder["interactions"][case] = {"response": {"status_code": code, "content": content}}
    return json.dumps({"ScenarioFinished": {"recorder": recorder}})


def test_a_finding_is_a_known_difference_only_if_check_and_answer_are_known() -> None:
    cursor = {"code": "invalid_cursor", "detail": "Send back `next` from the last page unchanged."}
    fault = {"code": "internal_error", "detail": "Something went wrong."}
    lines = [
        event(
            ("not_a_server_error", "success", 200, {}),
            ("positive_data_acceptance", "failure", 400, cursor),
            ("not_a_server_error", "failure", 500, fault),
            ("negative_data_rejection", "failure", 200, {"items": []}),
        ),
        event(("not_a_server_error", "failure", 500, fault)),
        '{"ScenarioFinished": {"rec',
    ]
    tally, report = Tally("fuzz"), Report(KNOWN)

    report.read(lines, tally)

    assert (tally.passed, tally.known.total(), report.requests, report.followed) == (1, 1, 5, 2)
    assert [one[:90] for one in tally.failed] == [
        "2 times not_a_server_error: GET /vN/data/{collection}: N internal_error Something went wro",
        '1 times negative_data_rejection: GET /vN/data/{collection}: N {"items": []} Unexpected ans',
    ]


def test_an_unknown_server_error_is_never_a_known_difference() -> None:
    found = "POST /rpc: 500 internal_error The request failed; invalid_cursor, either, a whole number, but 422."

    assert not any(known.describes("not_a_server_error", found) for known in KNOWN)
