from __future__ import annotations

import pytest

from bunbase.cli.device_login import open_in_browser, sign_in_by_browser
from bunbase.cli.errors import Refused
from bunbase.cli.flags import ServerFlags
from bunbase.cli.output import Output
from bunbase.cli.session import open_session
from bunbase.contracts.bunauth.problems import AuthorizationPending, DeviceDenied, SlowDown
from tests.cli.conftest import Bunbase, executable, in_terminal, kept
from tests.cli.fake_api import EMAIL, FakeApi


def test_login_at_a_terminal_shows_a_code_and_waits_for_the_browser(api: FakeApi) -> None:
    api.device_errors = [AuthorizationPending, AuthorizationPending]

    said = in_terminal("login", columns=200, DISPLAY="", WAYLAND_DISPLAY="")

    assert f"Open {api.url}/device in a browser, on any device, and type the code WDJB-MJHT" in said
    assert f"{api.url}/device?user_code=WDJB-MJHT" in said
    assert f"Signed in to {api.url} as {EMAIL}" in said
    assert api.device_client.startswith("bunbase on ")
    assert kept().server(api.url).access_token == "at_1"


def test_the_flag_device_needs_no_terminal_and_json_prints_the_account_only(api: FakeApi) -> None:
    said = executable("login", "--device", "--json")

    assert said.document["user"]["email"] == EMAIL
    assert "WDJB-MJHT" in said.err
    assert "Waiting for your approval, for at most 10 minutes." in said.err


def test_a_denied_sign_in_is_an_error(api: FakeApi, bunbase: Bunbase) -> None:
    api.device_errors = [DeviceDenied]

    said = bunbase("login", "--device")

    assert said.code == 1
    assert "The sign-in was denied" in said.err
    assert kept().server(api.url).access_token == ""


def test_the_command_asks_more_seldom_when_the_server_wants_it(api: FakeApi) -> None:
    api.device_errors = [AuthorizationPending, SlowDown, AuthorizationPending, DeviceDenied]
    pauses: list[float] = []

    with open_session(ServerFlags()) as session, pytest.raises(Refused):
        sign_in_by_browser(session, Output(True), pauses.append)

    assert pauses == [0, 0, 5, 5]


@pytest.mark.parametrize("address", ["file:///etc/hosts", "vscode://x", "--new-window", "javascript:alert(1)", ""])
def test_an_address_that_is_no_page_is_not_opened(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", opened.append)

    open_in_browser(address)
    open_in_browser("https://bunbase.example/device?code=A")

    assert opened == ["https://bunbase.example/device?code=A"]
