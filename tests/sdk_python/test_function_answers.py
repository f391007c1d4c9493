"""The refusals of functions: a program can distinguish them from BunBase's refusals."""

from __future__ import annotations

from typing import Any

import pytest

from bunbase_sdk.core.answers import problem_in
from bunbase_sdk.core.flow import Answer

VERSION = {"x-bunbase-function-version": "3", "content-type": "application/json"}


@pytest.mark.parametrize(
    ("content", "body", "detail"),
    [
        (b'{"code":"stale_revision","detail":"mine"}', {"code": "stale_revision", "detail": "mine"}, "mine"),
        (b'{"error":"No apples"}', {"error": "No apples"}, "No apples"),
        (b'{"code":"invalid_token"}', {"code": "invalid_token"}, "The function answered with status 409."),
        (b"[1]", {"answer": [1]}, "The function answered with status 409."),
        (b"{broken", {"answer": "{broken"}, "The function answered with status 409."),
    ],
)
def test_no_code_of_a_function_passes_for_one_of_bunbase(content: bytes, body: dict[str, Any], detail: str) -> None:
    problem = problem_in(Answer(409, VERSION, content))

    assert (problem.code, problem.status, problem.body, problem.detail) == ("function_answer", 409, body, detail)


def test_a_refusal_of_bunbase_keeps_its_code() -> None:
    refused = {"content-type": "application/problem+json"}
    problem = problem_in(Answer(500, refused, b'{"code":"function_error","detail":"The function threw an error."}'))

    assert problem.code == "function_error"
