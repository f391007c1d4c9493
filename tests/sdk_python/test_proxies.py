"""The proxies that the environment of a program names."""

from __future__ import annotations

from typing import Any, Final

import httpx
import pytest

from bunbase_sdk import AsyncClient, Client, Problem
from bunbase_sdk.proxies import proxy_for

FAR: Final = "https://api.example.com"
SIX: Final = "https://[fd00::7]:8080"
PROXY: Final = "http://10.0.0.1:3128"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "exceptions", "proxy"),
    [
        (FAR, "", PROXY),
        (FAR, "localhost,::1,[::1],fe80::/10", PROXY),
        (FAR, "example.com", None),
        (FAR, "*", None),
        (SIX, "", PROXY),
        (SIX, "fd00::7", None),
        (SIX, "[fd00::7]", None),
        (SIX, "fd00::/8", None),
        ("https://10.1.2.3", "10.0.0.0/8", None),
    ],
)
def test_the_proxy_is_that_of_the_environment_unless_the_server_is_an_exception(
    url: str, exceptions: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)

    found = proxy_for(url)

    assert (found.url if found else None) == (httpx.URL(proxy) if proxy else None)
    Client(url, "sk_1").close()


@pytest.mark.parametrize("face", [Client, AsyncClient])
@pytest.mark.parametrize("proxy", ["socks5://eve:secret@10.0.0.1", "ftp://eve:secret@10.0.0.1"])
def test_a_proxy_that_cannot_be_used_is_a_problem_without_its_password(
    face: Any, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)

    with pytest.raises(Problem, match="ALL_PROXY") as refused:
        face(FAR, "sk_1")

    assert refused.value.code == "invalid_value"
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    face(FAR, "sk_1")  # The server does not need the other proxy.
