from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bunbase.cli.browser_login import Callback, check_provider, sign_in_by_provider
from bunbase.cli.errors import Failure, Usage
from bunbase.cli.http import Http
from bunbase.cli.output import Output
from bunbase.pkg.oidc.person import challenge_of

SERVER = "http://127.0.0.1:7070"

Visit = Callable[[str], object]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Callable[[Visit], dict[str, str]]:
    """Return a function that sets the behaviour of the browser, and returns the parameters of the start."""

    def behave(visit: Visit) -> dict[str, str]:
        seen: dict[str, str] = {}

        def opened(url: str) -> bool:
            seen.update({name: values[0] for name, values in parse_qs(urlsplit(url).query).items()})
            seen["start"] = url.split("?")[0]
            threading.Thread(target=visit, args=(seen["redirect_to"],)).start()
            return True

        monkeypatch.setattr(webbrowser, "open", opened)
        return seen

    return behave


def get(url: str) -> int:
    return httpx.get(url, trust_env=False).status_code


def test_the_command_gets_the_code_from_the_browser_and_sends_it_with_its_verifier(
    browser: Callable[[Visit], dict[str, str]],
) -> None:
    seen = browser(lambda redirect_to: get(f"{redirect_to}?code=bxc_1"))

    call = sign_in_by_provider(SERVER, "google", Output(json=True))

    assert seen["start"] == f"{SERVER}/api/auth/oauth/google/start"
    assert (call.path, call.json["code"]) == ("/api/auth/oauth/exchange", "bxc_1")
    assert challenge_of(call.json["verifier"]) == seen["code_challenge"]


def test_requests_of_other_pages_to_the_port_do_not_end_the_wait(browser: Callable[[Visit], dict[str, str]]) -> None:
    statuses: list[int] = []

    def visit(redirect_to: str) -> None:
        port = redirect_to.removesuffix("/signed-in")
        statuses.extend(map(get, (f"{port}/favicon.ico", f"{port}/?code=x", redirect_to, f"{redirect_to}?code=bxc_2")))

    browser(visit)

    assert sign_in_by_provider(SERVER, "google", Output(json=True)).json["code"] == "bxc_2"
    assert statuses[:3] == [404, 404, 404]


@pytest.mark.parametrize(("error", "code"), [("access_denied", "access_denied"), ("<b>", "provider_error")])
def test_an_error_in_the_browser_ends_the_command(
    browser: Callable[[Visit], dict[str, str]], error: str, code: str
) -> None:
    browser(lambda redirect_to: get(f"{redirect_to}?error={error}"))

    with pytest.raises(Failure) as failed:
        sign_in_by_provider(SERVER, "google", Output(json=True))
    assert failed.value.code == code


def test_the_command_does_not_wait_for_ever() -> None:
    with Callback() as callback, pytest.raises(Failure, match="did not finish"):
        callback.wait(0)


def test_an_unknown_provider_is_refused_with_the_names_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = httpx.Response(200, json={"items": [{"name": "google", "title": "Google", "kind": "oidc"}]})
    http = Http(SERVER)
    monkeypatch.setattr(http, "send", lambda call: answer)

    check_provider(http, "google")
    with pytest.raises(Usage, match="Choose one of: google"):
        check_provider(http, "gogle")
    http.close()
