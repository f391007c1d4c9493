from __future__ import annotations

import msgspec
import pytest

from bunbase.pkg.errors import CODES, Internal, InvalidInput, Problem, RateLimited, Unauthenticated, problem_from_body


def test_two_problems_cannot_share_a_code() -> None:
    with pytest.raises(TypeError, match="share the code 'invalid_input'"):
        type("OtherInvalidInput", (Problem,), {"status": 422, "code": "invalid_input", "title": "Another"})

    assert CODES["invalid_input"] is InvalidInput


def test_two_problems_of_one_name_in_two_modules_cannot_share_a_code() -> None:
    taken = {"status": 422, "code": "invalid_input", "title": "Another", "__module__": "elsewhere"}

    with pytest.raises(TypeError, match="share the code"):
        type("InvalidInput", (Problem,), taken)


def test_a_problem_equals_the_problem_read_from_its_json_document() -> None:
    problem = InvalidInput("Give a name.", errors=[{"path": "/name", "message": "missing"}])

    document = msgspec.json.decode(msgspec.json.encode(problem.body("req_1")))
    again = problem_from_body(document)

    assert type(again) is InvalidInput
    assert (again.detail, again.extra) == (problem.detail, problem.extra)
    assert document == {
        "type": "https://bunbase.dev/problems/invalid_input",
        "title": InvalidInput.title,
        "status": 422,
        "code": "invalid_input",
        "detail": "Give a name.",
        "errors": [{"path": "/name", "message": "missing"}],
        "request_id": "req_1",
    }


def test_an_unknown_code_becomes_internal_with_its_detail_kept() -> None:
    problem = problem_from_body({"code": "of_a_newer_version", "detail": "Do this."})

    assert type(problem) is Internal
    assert problem.detail == "Do this."


def test_the_default_detail_of_a_problem_is_its_title() -> None:
    assert InvalidInput().detail == InvalidInput.title


def test_an_extra_member_cannot_replace_the_status_of_a_problem() -> None:
    with pytest.raises(TypeError, match="status"):
        InvalidInput("No.", status=200)


def test_a_problem_has_the_headers_retry_after_and_www_authenticate() -> None:
    assert RateLimited("Slow down.", retry_after_seconds=7).headers() == {"retry-after": "7"}
    assert Unauthenticated().headers() == {"www-authenticate": "Bearer"}
    assert InvalidInput().headers() == {}
