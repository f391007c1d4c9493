from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from bunbase.house import generate
from bunbase.pkg.errors import CODES
from tests.shared_openapi import openapi_document


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let `generate` write to a temporary folder, and make the OpenAPI document only once."""
    made = openapi_document()
    monkeypatch.setattr(generate, "openapi_document", lambda: made)
    monkeypatch.setattr(generate, "REFERENCE", tmp_path / "reference")
    return tmp_path / "reference"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["generate", *arguments])
    return generate.main()


def test_check_fails_on_a_missing_or_stale_file_and_writes_nothing(
    reference: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--check") == 1
    assert not reference.exists()
    assert run(monkeypatch) == 0
    assert run(monkeypatch, "--check") == 0

    (reference / "errors.md").write_text("stale")
    capsys.readouterr()

    assert run(monkeypatch, "--check") == 1
    assert capsys.readouterr().err == (f"{reference / 'errors.md'} is out of date: run `make gen` and commit it\n")
    assert (reference / "errors.md").read_text() == "stale"


def test_a_file_that_is_up_to_date_is_not_written_again(
    reference: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch)
    assert capsys.readouterr().out.count("wrote ") == 5

    run(monkeypatch)

    assert capsys.readouterr().out == ""


def test_the_openapi_document_has_version_3_1_and_equal_bytes_each_time() -> None:
    text = generate.openapi_document()
    document = msgspec.json.decode(text)

    assert document["openapi"].startswith("3.1")
    assert {"/api/projects", "/v1/data/{collection}", "/api/auth/login", "/rpc"} <= set(document["paths"])
    assert generate.openapi_document() == text


def test_the_page_of_errors_lists_every_error_code() -> None:
    page = generate.error_codes()

    for problem in CODES.values():
        if problem.__module__.startswith("bunbase."):
            assert f"| {problem.status} | `{problem.code}` | {problem.title} |" in page
