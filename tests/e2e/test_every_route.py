"""Test all routes of a real installation with the tables of permissions and of hostile sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from bunbase.gateway.examples import EXAMPLES, SIGN_IN
from tests.e2e import permissions as who
from tests.e2e.conftest import new_database
from tests.e2e.documented import differences
from tests.e2e.hostile_sizes import BODY_BYTES, LONG, NESTED, NOTHING, STREAMED
from tests.e2e.hostile_values import with_hostile_values
from tests.e2e.instance import SETUP_TOKEN, Instance
from tests.e2e.permissions import PERMISSIONS, SIGN_OUTS, Permission
from tests.shared_openapi import openapi_document

MEMBERS = (who.VIEWER, who.DEVELOPER, who.ADMIN, who.OWNER)
REFUSED = {
    401: {"unauthenticated", "invalid_token", "invalid_key"},
    403: {"forbidden", "insufficient_scope", "rule_denied"},
}
REFUSED[404] = {"project_not_found", "organisation_not_found"}
MISREAD = {400, 415, 422}  # A valid example never gets these statuses.
INVENTED = {
    (
        "POST",
        "/api/auth/password",
    ): "wrong_proof",  # expected codes of examples with an invented token or name: the route understood the request
    ("POST", "/api/auth/login/second-factor"): "challenge_expired",
    ("POST", "/api/auth/login/passkey/verify"): "wrong_passkey",
    ("POST", "/api/auth/passkeys/register"): "wrong_passkey",
    ("POST", "/api/auth/totp/confirm"): "wrong_code",
    ("DELETE", who.P): "confirmation_needed",
    ("DELETE", who.ORG): "confirmation_needed",
    ("POST", "/api/invites/accept"): "link_expired",
    ("POST", "/api/invites/register"): "link_expired",
    ("POST", "/api/auth/refresh"): "invalid_token",
    ("POST", "/api/auth/device/token"): "expired_token",
    ("POST", "/api/auth/oauth/exchange"): "external_login_expired",
    ("POST", "/oauth/token"): "invalid_client",
    ("POST", "/oauth/revoke"): "invalid_client",
    ("POST", "/oauth/introspect"): "invalid_client",
    ("POST", "/v1/auth/login/enrolment"): "challenge_expired",
    ("POST", "/v1/auth/login/enrolment/confirm"): "challenge_expired",
    ("POST", "/v1/auth/login/passkey/verify"): "wrong_passkey",
    ("POST", "/v1/auth/login/second-factor"): "challenge_expired",
    ("POST", "/v1/auth/passkeys/register"): "wrong_passkey",
    ("POST", "/v1/auth/totp/confirm"): "wrong_code",
    ("POST", "/v1/auth/password"): "wrong_proof",
    ("POST", "/v1/auth/login/code"): "invalid_code",
    ("POST", "/v1/auth/login/phone"): "invalid_code",
    ("POST", "/v1/auth/phone"): "phone_not_configured",
    ("POST", "/v1/auth/phone/change"): "phone_not_configured",
    ("POST", "/v1/auth/phone/change/confirm"): "invalid_code",
    ("POST", "/v1/auth/link"): "invalid_input",  # the project of the test has no address of an app
    ("POST", "/v1/auth/refresh"): "invalid_token",
    ("POST", "/v1/auth/login/custom-token"): "invalid_token",
    ("POST", "/v1/auth/oauth/exchange"): "external_login_expired",
    ("POST", "/v1/auth/identities/link"): "provider_not_found",
}
FORMS = {"/v1/auth/token", "/oauth/token", "/oauth/revoke", "/oauth/introspect"}
SIGNED_IN = (who.OWNER, who.OUTSIDER, who.VIEWER, who.DEVELOPER, who.ADMIN)
BUNDLE = b'module.exports.default = () => new Response("hello")'
OPEN_RULES = dict.fromkeys(("list", "get", "create", "update", "delete"), "true")


@dataclass
class Installation:
    """`headers`: the credentials of each caller of the table. `names`: values for placeholders in paths and bodies."""

    http: httpx.Client
    headers: dict[str, dict[str, str]]
    names: dict[str, str]

    def own_session(self, below: str) -> dict[str, str]:
        """Sign in again and return the headers.

        The headers are of the owner for /api, and of the end user with the secret key for /v1.
        """
        account = {**SIGN_IN, "email": email_of(who.OWNER)} if below == "/api" else EXAMPLES["POST", "/v1/auth/login"]
        keys = self.headers[who.SECRET] if below == "/v1" else {}
        if below == "/v1":  # A test may have deleted the end user.
            self.http.post("/v1/auth/signup", json=EXAMPLES["POST", "/v1/auth/signup"], headers=keys)
        signed_in = self.http.post(f"{below}/auth/login", json=account, headers=keys).raise_for_status().json()
        return keys | {"Authorization": f"Bearer {signed_in['access_token']}"}

    def sign_in_again(self) -> None:
        """Open a new session for each account of the table, and for the end user."""
        for name in SIGNED_IN:
            account = {**SIGN_IN, "email": email_of(name)}
            answer = self.http.post("/api/auth/login", json=account).raise_for_status().json()
            self.headers[name]["Authorization"] = f"Bearer {answer['access_token']}"
        self.headers[who.USER]["Authorization"] = self.own_session("/v1")["Authorization"]

    def send(self, one: Permission, caller: str) -> httpx.Response:
        names = self.names | one.fields
        path, headers = filled(one.route, names) + filled(one.query, names), self.headers[caller]
        body = one.body if one.body is not None else EXAMPLES.get((one.method, one.route))
        if one.route == who.FUNCTION and body is not None:
            files = {"bundle": ("f.js", body["bundle"].encode()), "config": (None, body["config"].encode())}
            return self.http.request(one.method, path, files=files, headers=headers)
        if one.route in FORMS and body is not None:
            return self.http.request(one.method, path, data=body, headers=headers)
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        headers = headers if body is None else headers | {"Content-Type": kind}
        return self.http.request(one.method, path, content=as_bytes(body, names), headers=headers)


def as_bytes(body: Any, names: dict[str, str]) -> bytes:
    """Return the bytes of a body: a string unchanged; JSON in which `names` replace its placeholders."""
    if isinstance(body, str):
        return body.encode()
    text = "" if body is None else msgspec.json.encode(body).decode()
    for name, value in names.items():
        text = text.replace(f'"{{{name}}}"', f'"{value}"')
    return text.encode()


def email_of(name: str) -> str:
    return f"{name.replace(' ', '-')}@example.com"


def filled(template: str, names: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "none"), template)


@pytest.fixture(scope="module")
def installation(home: Path, postgres: str) -> Iterator[Installation]:
    place = home / "every_route"
    place.mkdir()
    instance, database = Instance("one", place), new_database(postgres)
    settings = {"DATABASE_URL": database, "BUNBASE_BUNAUTH__SIGNUPS": "open", "BUNBASE_LOG_LEVEL": "warning"}
    settings["BUNBASE_GATEWAY__FAILED_LOGINS_PER_ACCOUNT_PER_MINUTE"] = "100"  # Each caller without a key fails once.
    settings["BUNBASE_GATEWAY__FAILED_LOGINS_PER_MINUTE"] = "100"
    settings["BUNBASE_GATEWAY__SIGNUPS_PER_HOUR"] = "1000"  # This limit also counts requests for mails.
    instance.commands["dev"][1].update(settings)
    try:
        instance.start()
        yield inhabited(instance.http)
    finally:
        instance.close()


def inhabited(http: httpx.Client) -> Installation:
    """Register every caller of the table and fill a project with data."""

    def post(path: str, body: Any, headers: dict[str, str]) -> Any:
        return http.post(path, json=body, headers=headers).raise_for_status().json()

    headers, accounts = {}, {}
    for name in SIGNED_IN:
        new = {
            "email": email_of(name),
            "password": SIGN_IN["password"],
            "setup_token": SETUP_TOKEN,
        }
        accounts[name] = post("/api/auth/register", new, {})
        headers[name] = {"Authorization": f"Bearer {accounts[name]['access_token']}"}
    post("/api/auth/register", {**SIGN_IN, "name": "Ada"}, {})
    project = post("/api/projects", {"name": "every route"}, headers[who.OWNER])
    org = post("/api/orgs", {"name": "every role"}, headers[who.OWNER])["id"]
    for name in MEMBERS:
        for place in (f"/api/projects/{project['id']}", f"/api/orgs/{org}") if name != who.OWNER else ():
            invite = {"email": accounts[name]["user"]["email"], "role": name}
            url = post(f"{place}/invites", invite, headers[who.OWNER])["url"]
            post("/api/invites/accept", {"token": url.partition("token=")[2]}, headers[name])
    tokens = {
        who.READER: ["read"],
        who.WRITER: ["read", "write"],
        who.MANAGER: ["admin"],
        who.DEPLOYER: ["functions:deploy", "logs:read"],
        who.ELSEWHERE: ["admin@prj_another"],
    }
    for name, scopes in tokens.items():
        token = post("/api/auth/tokens", {"name": name, "scopes": scopes}, headers[who.OWNER])["token"]
        headers[name] = {"Authorization": f"Bearer {token}"}
    for caller in headers:  # On routes below /v1, a developer names the project with this header.
        headers[caller]["X-Bunbase-Project"] = project["id"]

    keys = {key["kind"]: {"X-Bunbase-Key": key["key"]} for key in project["keys"]}
    limited = {"kind": "secret", "scopes": ["data:read", "users:read"]}
    reporter = post(f"/api/projects/{project['id']}/keys", limited, headers[who.OWNER])["key"]
    eve = post("/v1/auth/signup", EXAMPLES["POST", "/v1/auth/signup"], keys["publishable"])
    user = {**keys["publishable"], "Authorization": f"Bearer {eve['access_token']}"}
    headers[who.REPORTER] = {"X-Bunbase-Key": reporter}
    headers |= {who.NOBODY: {}, who.PUBLISHABLE: keys["publishable"], who.SECRET: keys["secret"], who.USER: user}

    for collection, rules in (("posts", OPEN_RULES), ("closed", {})):
        made = http.put(f"/v1/collections/{collection}", json={"rules": rules}, headers=keys["secret"])
        made.raise_for_status()
    at = f"/api/projects/{project['id']}/functions/called"
    http.put(at, files={"bundle": ("f.js", BUNDLE)}, headers=headers[who.OWNER]).raise_for_status()
    # A used token gets 401 custom_token_used. This means that the route admitted the caller and refused only the token.
    custom = post("/v1/auth/custom-token", {"uid": eve["user"]["id"]}, keys["secret"])["token"]
    post("/v1/auth/login/custom-token", {"token": custom}, keys["publishable"])
    names = {"project": project["id"], "org": org, "custom_token": custom, "version": "1"}
    names |= {"refresh_token": accounts[who.OUTSIDER]["refresh_token"], "user_refresh_token": eve["refresh_token"]}
    return Installation(http, headers, names)


def is_refused(reply: httpx.Response) -> bool:
    """True if the answer refuses the caller, whatever the request contains."""
    return reply.status_code in REFUSED and code(reply) in REFUSED[reply.status_code]


def described(reply: httpx.Response) -> str:
    """Return a line for the report of a failure."""
    return f"{reply.request.method} {reply.request.url.path[:120]} answered {reply.status_code} {reply.text[:160]}"


def code(reply: httpx.Response) -> str:
    """Return the code of a Problem, or the error that a client of the OpenID Provider gets."""
    kind = reply.headers.get("content-type", "") if reply.content else ""
    if kind.startswith("application/problem+json"):
        return str(reply.json()["code"])
    return str(reply.json().get("error", "")) if reply.request.url.path in FORMS and kind else ""


def test_each_route_serves_the_callers_of_its_row_and_refuses_all_others(installation: Installation) -> None:
    assert "\n".join(wrongly_answered(installation, PERMISSIONS)) == ""


def wrongly_answered(installation: Installation, rows: Iterable[Permission]) -> list[str]:
    """Send the request of each row as every caller. Return the answers that differ from the table or the document."""
    wrong = []
    for one in rows:
        for caller in sorted(
            who.EVERYBODY, key=lambda caller: caller in one.allowed
        ):  # refused callers come first, because a refusal changes nothing
            reply = installation.send(one, caller)

            is_head = one.method == "HEAD"  # An answer to HEAD has no code.
            refused = reply.status_code in REFUSED if is_head else is_refused(reply)
            # Each caller asks for a backup, so the server may be busy.
            failed = reply.status_code >= 500 and code(reply) != "backup_busy"
            if refused is (caller in one.allowed) or failed:
                wrong.append(f"{caller}: {described(reply)}")
            wrong += [f"{described(reply)}: {difference}" for difference in differences(one.method, one.route, reply)]
    return wrong


def test_each_route_accepts_the_example_of_its_body(installation: Installation) -> None:
    rows = {(one.method, one.route): one for one in reversed(PERMISSIONS)}
    caller = {True: who.OWNER, False: who.SECRET}
    wrong = []
    for method, route in EXAMPLES:
        row = rows[method, route]
        one = Permission(method, route, frozenset(), row.query, None, row.fields)

        reply = installation.send(one, who.USER if row.allowed == {who.USER} else caller[route.startswith("/api/")])

        expected = INVENTED.get((method, route))
        misread = reply.status_code in MISREAD or reply.status_code >= 500 or is_refused(reply)
        if misread if expected is None else code(reply) != expected:
            wrong.append(described(reply))
        wrong += [f"{described(reply)}: {difference}" for difference in differences(method, route, reply)]

    assert "\n".join(wrong) == ""


def test_only_signed_in_callers_may_sign_out(installation: Installation) -> None:
    """This test ends all sessions, so it comes after the tests that need them."""
    for one in SIGN_OUTS:
        installation.sign_in_again()
        assert "\n".join(wrongly_answered(installation, [one])) == ""


def requests_of_hostile_sizes() -> Iterator[tuple[str, str, str, bytes]]:
    """Yield method, route, address and body of each request. Deletions come late, and the ends of sessions last."""

    def lateness(one: tuple[tuple[str, str], int]) -> int:
        (method, route), _ = one
        return 2 if route.endswith(("/logout", "/sessions", "/signing-keys/replace")) else int(method == "DELETE")

    document = msgspec.json.decode(openapi_document())["paths"]
    for (method, route), most in sorted(BODY_BYTES.items(), key=lateness):
        at = route.replace("{collection}", "posts").replace("{version}", "1")
        at = at.replace("/functions/{name}", "/functions/called")
        yield method, route, at, b"0" * (max(most, 2 << 20) + 1)
        if most != NOTHING:
            yield method, route, at, b"[" * NESTED
        for placeholder in re.findall(r"\{\w+\}", route):
            if placeholder not in ("{project}", "{org}"):
                yield method, route, route.replace(placeholder, "x" * LONG), b""
        for parameter in document[route][method.lower()].get("parameters", ()):
            if parameter["in"] == "query":
                yield method, route, f"{at}?{parameter['name']}={'x' * LONG}", b""


def test_no_route_fails_on_a_body_or_parameter_of_hostile_size(installation: Installation) -> None:
    wrong, owner, user = [], installation.own_session("/api"), installation.own_session("/v1")
    for method, route, at, body in requests_of_hostile_sizes():
        most, headers = BODY_BYTES[method, route], dict(owner if route.startswith("/api/") else user)
        if route == who.FUNCTION:
            headers["Content-Type"] = "multipart/form-data; boundary=x"

        path = filled(at, installation.names)
        try:
            reply = installation.http.request(method, path, content=body, headers=headers)
        except httpx.TransportError as error:
            wrong.append(f"{method} {path[:200]} with {len(body)} bytes: {error!r}")
            continue

        too_large = most not in (NOTHING, STREAMED) and len(body) > most
        told = (reply.status_code == 413) if too_large else reply.status_code < 500
        if not told:
            wrong.append(f"{len(body)} bytes: {described(reply)}")

    assert "\n".join(wrong) == ""


def test_no_route_fails_on_a_hostile_value_in_its_example(installation: Installation) -> None:
    wrong, owner, user = [], installation.own_session("/api"), installation.own_session("/v1")
    for method, route in EXAMPLES:
        if route == who.FUNCTION or route in FORMS or isinstance(EXAMPLES[method, route], str):
            continue  # These bodies are not one JSON value.
        path = filled(route.replace("{collection}", "posts"), installation.names)
        headers = (owner if route.startswith("/api/") else user) | {"Content-Type": "application/json"}
        for body in with_hostile_values(EXAMPLES[method, route]):
            reply = installation.http.request(method, path, content=body, headers=headers)

            if reply.status_code >= 500 and code(reply) != "backup_busy":
                wrong.append(f"{body[:300]!r}: {described(reply)}")

    assert "\n".join(wrong) == ""
