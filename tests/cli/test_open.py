from __future__ import annotations

import webbrowser

import pytest

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the addresses that the command opens. The machine has a desktop."""
    found: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", found.append)
    return found


def test_a_page_is_opened_at_a_terminal(
    api: FakeApi, bunbase: Bunbase, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # With this variable, rich takes stdout for a terminal.

    assert api.url in bunbase("open").out
    assert bunbase("open", "mail").code == 0
    assert opened == [f"{api.url}/account/sign-in", f"{api.url}/api/dev/mail"]


def test_in_a_pipe_only_the_address_is_printed(api: FakeApi, bunbase: Bunbase, opened: list[str]) -> None:
    assert bunbase("open", "api").out == f"{api.url}/api/openapi.json\n"
    assert bunbase("open", "--json").document == {"url": f"{api.url}/account/sign-in"}
    assert bunbase("open", "nowhere").code == 2
    assert opened == []
