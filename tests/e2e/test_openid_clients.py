"""Stock clients of OpenID Connect sign a person in at a real BunBase: Authlib, openid-client and oidc-client-ts."""

from __future__ import annotations

import functools
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from bunbase.pkg.bun import find_bun
from bunbase.pkg.oidc.person import challenge_of
from tests.e2e.browser import chromium
from tests.e2e.conftest import dev_instance
from tests.e2e.instance import Instance
from tests.e2e.openid.web_form import Browser

ADA = "ada@example.com"
PASSWORD = "correct horse battery"
CALLBACK = "https://shop.example/callback"
HERE = Path(__file__).parent / "openid"
STOCK = Path("node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js")
VERIFIER = "a-verifier-that-has-at-least-forty-three-characters"
PATIENCE_MS = 20_000


class Town:
    """An instance with its administrator Ada."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.url = instance.url
        self.browsers: list[Browser] = []
        account = {"email": ADA, "password": PASSWORD}
        token = instance.http.post("/api/auth/register", json=account).raise_for_status().json()["access_token"]
        self.ada = {"authorization": f"Bearer {token}"}

    def client(self, **fields: Any) -> dict[str, Any]:
        new = {"name": "Shop", "redirect_uris": [CALLBACK], "kind": "confidential", **fields}
        answer = self.instance.http.post("/api/admin/oauth-clients", json=new, headers=self.ada)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def browser(self) -> Browser:
        self.browsers.append(Browser(self.url))
        return self.browsers[-1]

    def close(self) -> None:
        for browser in self.browsers:
            browser.http.close()

    def come_back(self, address: str) -> str:
        """Open an address in a new browser, sign Ada in, and allow. Return where the browser goes."""
        browser = self.browser()
        browser.open(address)
        browser.send("/oauth/sign-in", email=ADA, password=PASSWORD)
        return browser.send("/oauth/consent/") if browser.at.startswith(self.url) else browser.at

    def address(self, client: dict[str, Any], **changes: str) -> str:
        asked = {
            "client_id": client["id"],
            "redirect_uri": client["redirect_uris"][0],
            "response_type": "code",
            "scope": "openid offline_access",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(f"{self.url}/oauth/authorize", params={**asked, **changes}))


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    with dev_instance() as instance:
        town = Town(instance.start())
        yield town
        town.close()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the origin of a page of another site, which uses oidc-client-ts."""
    folder = tmp_path_factory.mktemp("app")
    (folder / STOCK.name).write_bytes(STOCK.read_bytes())
    for name in ("index.html", "callback"):
        (folder / name).write_bytes((HERE / "app.html").read_bytes())
    handler = functools.partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    def guess_type(self, path: Any) -> str:
        return "text/html" if str(path).endswith("callback") else super().guess_type(path)

    def log_message(self, *_: Any) -> None:
        """Write no log."""


def test_authlib_signs_a_person_in(town: Town) -> None:
    client = town.client()
    with httpx.Client(base_url=town.url, trust_env=False) as http:
        found = http.get("/.well-known/openid-configuration").json()
        keys = http.get(found["jwks_uri"]).json()
    wanted = {"redirect_uri": CALLBACK, "scope": "openid email offline_access", "code_challenge_method": "S256"}
    stock = OAuth2Client(client["id"], client["client_secret"], **wanted, trust_env=False)
    address, state = stock.create_authorization_url(
        found["authorization_endpoint"], code_verifier=VERIFIER, nonce="n-1"
    )

    back = town.come_back(address)
    tokens = stock.fetch_token(
        found["token_endpoint"], authorization_response=back, code_verifier=VERIFIER, state=state
    )
    signed = jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"])
    claims = signed.claims
    checked = {"iss": {"value": town.url}, "aud": {"value": client["id"]}}
    id_token = CodeIDToken(
        claims,
        signed.header,
        checked,
        {"nonce": "n-1", "access_token": tokens["access_token"], "client_id": client["id"]},
    )
    id_token.validate(leeway=5)
    person = stock.get(found["userinfo_endpoint"]).raise_for_status().json()
    renewed = stock.refresh_token(found["token_endpoint"], refresh_token=tokens["refresh_token"])
    active = stock.introspect_token(found["introspection_endpoint"], token=renewed["access_token"]).json()
    stock.revoke_token(found["revocation_endpoint"], token=renewed["refresh_token"]).raise_for_status()
    gone = stock.introspect_token(found["introspection_endpoint"], token=renewed["access_token"]).json()
    stock.close()

    assert (person["email"], person["sub"]) == (ADA, claims["sub"])
    assert (active["active"], gone) == (True, {"active": False})


def test_openid_client_signs_a_person_in(town: Town) -> None:
    client = town.client()
    command = [find_bun(), HERE / "openid_client.mjs", town.url, client["id"], client["client_secret"], CALLBACK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        back = town.come_back(process.stdout.readline().strip())
        process.stdin.write(f"{back}\n")
        process.stdin.flush()
        got = json.loads(process.stdout.readline())

    assert got == {"sub": got["sub"], "email": ADA, "active": True, "after": False, "supportsPkce": True}


def test_oidc_client_ts_signs_a_person_in_from_a_page_of_another_site(town: Town, app: str) -> None:
    client = town.client(name="App", kind="public", redirect_uris=[f"{app}/callback"])
    settings = quote(json.dumps({"authority": town.url, "client_id": client["id"]}))
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text))

        page.goto(f"{app}/#settings={settings}")
        page.get_by_label("Email").fill(ADA)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        asked = page.get_by_role("heading", name="Allow App?").inner_text()
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(f"{app}/callback**")
        first = page.wait_for_function("() => window.got").json_value()
        page.goto(f"{app}/?again#settings={settings}")
        page.wait_for_url(f"{app}/callback**")  # The browser still sends the cookie after a redirect from another site.
        second = page.wait_for_function("() => window.got").json_value()

    assert asked == "Allow App?"
    assert first == second == {"email": ADA, "renewed": True, "left": 401}
    assert [error for error in errors if "Content Security Policy" in error] == []


def test_pages_of_the_provider_stand_in_no_frame_and_take_no_form_of_another_site(town: Town) -> None:
    client, browser = town.client(), town.browser()
    browser.open(town.address(client))
    page = browser.page
    assert page is not None
    policy, cookie = page.headers["content-security-policy"], page.history
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}

    browser.send("/oauth/sign-in", foreign, email=ADA, password=PASSWORD)
    refused = browser.page
    browser.open(town.address(client))
    browser.send("/oauth/sign-in", email=ADA, password=PASSWORD)
    consent = browser.page
    forged = browser.http.post(
        f"{town.url}/oauth/consent/{client['id']}", data={"request": "orq_invented"}, headers={"origin": town.url}
    )
    without_cookie = httpx.post(f"{town.url}/oauth/consent/{client['id']}", data={"request": "any"}, trust_env=False)

    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://shop.example;" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert cookie == []
    assert refused is not None
    assert consent is not None
    assert (refused.status_code, consent.status_code) == (403, 200)
    assert (forged.status_code, without_cookie.status_code) == (400, 401)


def test_a_mistaken_request_redirects_nobody(town: Town) -> None:
    client = town.client()
    wrong = (
        town.address(client, redirect_uri="https://evil.example/"),
        town.address(client, client_id="oac_unknown"),
        town.address(client) + "&client_id=oac_second",
        town.address(client).replace("scope=", "redirect_uri=https://evil.example&scope="),
        f"{town.url}/oauth/consent?request=orq_invented",
        f"{town.url}/oauth/authorize",
    )

    answers = [httpx.get(address, trust_env=False) for address in wrong]
    plain = httpx.get(town.address(client, code_challenge_method="plain"), trust_env=False)

    assert [(one.status_code, "location" in one.headers) for one in answers] == [(400, False)] * len(wrong)
    told = dict(parse_qsl(urlsplit(plain.headers["location"]).query))
    assert (plain.headers["location"].split("?")[0], told["error"]) == (CALLBACK, "invalid_request")


def test_an_allowed_client_is_listed_audited_and_ended(town: Town) -> None:
    client = town.client(name="Audited")
    code = dict(parse_qsl(urlsplit(town.come_back(town.address(client))).query))["code"]
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    http, basic = town.instance.http, (client["id"], client["client_secret"])
    tokens = http.post("/oauth/token", data=sent, auth=basic).raise_for_status().json()
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}

    reaches = {path: http.get(path, headers=bearer).status_code for path in ("/api/auth/me", "/oauth/userinfo")}
    listed = http.get("/api/auth/authorizations", headers=town.ada).json()["items"]
    (mine,) = [one for one in listed if one["client"] == "Audited"]
    http.delete(f"/api/auth/authorizations/{mine['id']}", headers=town.ada).raise_for_status()
    after = http.get("/oauth/userinfo", headers=bearer)
    rotated = http.post(f"/api/admin/oauth-clients/{client['id']}/rotate", headers=town.ada).raise_for_status().json()
    old = http.post("/oauth/token", data=sent, auth=basic)
    http.delete(f"/api/admin/oauth-clients/{client['id']}", headers=town.ada).raise_for_status()
    entries = http.get("/api/admin/audit", headers=town.ada, params={"limit": 100}).raise_for_status().json()["items"]

    assert reaches == {"/api/auth/me": 401, "/oauth/userinfo": 200}
    assert (after.status_code, after.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert rotated["client_secret"] != client["client_secret"]
    assert (old.status_code, old.json()["error"]) == (401, "invalid_client")
    assert old.headers["www-authenticate"].startswith("Basic")
    acts = {entry["action"]: entry["outcome"] for entry in entries if entry["target"] in (client["id"], mine["id"])}
    assert acts == dict.fromkeys(ACTS, "done")
    assert client["client_secret"] not in json.dumps(entries)


ACTS = (
    "oauth_client.create",
    "authorization.create",
    "authorization.delete",
    "oauth_client.rotate",
    "oauth_client.delete",
)
