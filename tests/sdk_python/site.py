"""The project that the tests use, with its credentials, its collections and its function."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bunbase_sdk import ServiceAccount
from tests.e2e.instance import Instance
from tests.sdk_js.sites import ECHO

COLLECTIONS: Final = ("posts", "notes", "accounts", "moved")
OWN: Final = {"list": "auth.uid == doc.owner", "get": "auth.uid == doc.owner", "create": "auth != null"}
CONFIG: Final = '{"access":"key"}'


class Site(msgspec.Struct, frozen=True):
    """`token` is a personal access token of a developer.

    `account` is a service account with all rights to documents.
    """

    url: str
    project: str
    secret: str
    publishable: str
    token: str
    account: ServiceAccount
    developer: dict[str, str]


def prepared(instance: Instance) -> Site:
    """Register a developer, and make a project with collections, credentials and the function `echo`."""

    def send(method: str, path: str, **what: Any) -> Any:
        answer = instance.http.request(method, path, headers=developer | what.pop("headers", {}), **what)
        return answer.raise_for_status().json()

    developer: dict[str, str] = {}
    account = {"email": "ada@example.com", "password": "correct horse battery"}
    developer["Authorization"] = f"Bearer {send('POST', '/api/auth/register', json=account)['access_token']}"
    project = send("POST", "/api/projects", json={"name": "Bakery"})
    keys = {key["kind"]: key["key"] for key in project["keys"]}
    at = f"/api/projects/{project['id']}"
    for name in COLLECTIONS:
        headers = {"X-Bunbase-Project": project["id"]}
        send("PUT", f"/v1/collections/{name}", json={"rules": OWN} if name == "notes" else {}, headers=headers)
    send("PUT", f"{at}/functions/echo", files={"bundle": ("echo.js", ECHO), "config": (None, CONFIG)})
    asked = {"name": "worker", "scopes": ["data:read", "data:write", "functions:invoke"]}
    service = send("POST", f"{at}/service-accounts", json=asked)
    token = send(
        "POST", "/api/auth/tokens", json={"name": "tests", "scopes": ["admin", "secrets"], "expires_in_seconds": 86_400}
    )
    return Site(
        instance.url,
        project["id"],
        keys["secret"],
        keys["publishable"],
        token["token"],
        ServiceAccount(service["client_id"], client_secret=service["client_secret"]),
        developer,
    )
