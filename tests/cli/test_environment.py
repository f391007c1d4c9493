"""The environment of a command: proxies, tokens, addresses, the home folder and the size of the terminal."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import httpx
import pytest

from bunbase.cli.address import normal_url
from bunbase.cli.errors import Usage
from bunbase.cli.proxies import proxy_for
from tests.cli.conftest import EXECUTABLE, Bunbase
from tests.cli.fake_api import FakeApi

FAR: Final = "http://api.example.com"
SIX: Final = "http://[fd00::7]:8080"
PROXY: Final = "http://10.0.0.1:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "variables", "proxy"),
    [
        (FAR, {"HTTP_PROXY": PROXY}, PROXY),
        (FAR, {"ALL_PROXY": "10.0.0.1:3128"}, PROXY),
        (FAR, {"HTTPS_PROXY": PROXY}, None),
        (FAR, {"HTTP_PROXY": PROXY, "ALL_PROXY": "socks5://10.0.0.2"}, PROXY),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "localhost,::1,[::1],fe80::/10,http://[::1"}, PROXY),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "example.com"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": ".example.com"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "*"}, None),
        (FAR, {"HTTP_PROXY": PROXY, "NO_PROXY": "ample.com"}, PROXY),
        (SIX, {"HTTP_PROXY": PROXY}, PROXY),
        (SIX, {"HTTP_PROXY": PROXY, "NO_PROXY": "fd00::7"}, None),
        (SIX, {"HTTP_PROXY": PROXY, "NO_PROXY": "[fd00::7]"}, None),
        (SIX, {"HTTP_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, None),
        ("http://10.1.2.3", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3", {"HTTP_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, PROXY),
        ("http://127.0.0.1:7070", {"HTTP_PROXY": PROXY}, None),
    ],
)
def test_the_proxy_is_that_of_the_environment_unless_the_server_is_an_exception(
    url: str, variables: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    found = proxy_for(url)

    assert (found.url if found else None) == (httpx.URL(proxy) if proxy else None)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("ALL_PROXY", "socks5://eve:secret@10.0.0.1", "a SOCKS proxy needs a package"),
        ("HTTP_PROXY", "ftp://eve:secret@10.0.0.1", "it is no address"),
        ("HTTP_PROXY", "http://eve:secret@[::1", "it is no address"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    variable: str, value: str, told: str, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_URL", FAR)
    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_1")
    monkeypatch.setenv(variable, value)

    said = bunbase("projects", "list")

    assert (said.code, f"{variable} or the system names cannot be used: {told}" in said.err) == (2, True)
    assert "secret" not in said.err


def test_the_line_end_of_a_secret_is_no_part_of_it(
    api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.access.add("bpt_ci")
    for end in ("\n", "\r\n", " "):
        monkeypatch.setenv("BUNBASE_TOKEN", f"bpt_ci{end}")
        assert bunbase("whoami").code == 0


@pytest.mark.parametrize("token", ["bpt_sec\nret", "bpt_secr\u00e9t", "bpt_sec\x7fret"])
def test_a_token_that_no_header_can_have_is_refused_and_not_shown(
    token: str, api: FakeApi, bunbase: Bunbase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUNBASE_TOKEN", token)

    said = bunbase("projects", "list", "--json")

    assert (said.code, said.problem["code"]) == (2, "bad_token")
    assert "bpt_" not in said.err


@pytest.mark.parametrize(
    "url",
    ["http://b\u00fcro..example", "http://.example", f"http://{'a' * 64}.example", "http://a/\x01", "http://[::1"],
)
def test_an_address_without_a_possible_host_is_a_usage_error(url: str) -> None:
    with pytest.raises(Usage, match="not the address of a server"):
        normal_url(url)


@pytest.mark.parametrize(
    "url", ["http://b\u00fcro.example", "http://example.com.", "http://[fe80::1]:8080", "http://a_b"]
)
def test_an_address_with_an_unusual_host_is_accepted(url: str) -> None:
    assert normal_url(url) == url


def test_a_user_without_a_home_folder_needs_none_to_use_a_token(
    api: FakeApi, bunbase: Bunbase, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.access.add("bpt_ci")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", _unknown)

    unnamed = bunbase("login", "--token", "bpt_ci")
    monkeypatch.setenv("BUNBASE_TOKEN", "bpt_ci")

    assert bunbase("whoami").code == 0
    assert (unnamed.code, "set BUNBASE_CREDENTIALS to the path of a file" in unnamed.err) == (1, True)
    assert not list(home.iterdir())


def test_a_terminal_of_no_columns_shows_the_help() -> None:
    done = subprocess.run(
        [EXECUTABLE, "--help"], env={"COLUMNS": "0", "LINES": "0"}, capture_output=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Show the version" in done.stdout


def _unknown(uid: int) -> None:
    raise KeyError(f"getpwuid(): uid not found: {uid}")
