"""The callers of each operation in the OpenAPI document: its security, and the headers that only these callers send.

The name of a handler's parameter, such as `member`, determines the callers (see `callers.py`). A handler can be more
exact with `security=`.
"""

from __future__ import annotations

from typing import Any, Final

from litestar.handlers import HTTPRouteHandler

from bunbase.contracts.acts import Act
from bunbase.contracts.tenant_auth.users import USER_ID
from bunbase.gateway.cookie_answers import PARAMETER, WANTED
from bunbase.gateway.credentials import AS_HEADER, EXPLAIN_HEADER, KEY_HEADER, KEY_PARAMETER, PROJECT_HEADER
from bunbase.pkg.openapi import Security

PROJECT: Final = "^[a-z0-9][a-z0-9_-]{0,63}$"
SCHEMES: Final = {
    "projectKey": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER.title(),
        "description": "A key of the project: the publishable key (`pk_…`) or the secret key (`sk_…`). Rules limit the "
        f"publishable key. A client that cannot set headers sends `?{KEY_PARAMETER}=` instead.",
    },
    "secretKey": {
        "type": "apiKey",
        "in": "header",
        "name": KEY_HEADER.title(),
        "description": "The secret key of the project (`sk_…`). Only servers may have it. A service token from "
        "`/v1/auth/token` is accepted in its place, as `Authorization: Bearer`.",
    },
    "endUser": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of an end user, from `/v1/auth/login`. It is sent beside a project key.",
    },
    "developer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of a developer, from `/api/auth/login`, or a personal access token.",
    },
}
DEVELOPER: Final[Security] = [{"developer": []}]
CLIENT: Final[Security] = [{"projectKey": []}, {"projectKey": [], "endUser": []}]
SECURITY: Final[dict[str, Security]] = {
    "anyone": [],
    "developer": DEVELOPER,
    "member": DEVELOPER,
    "custodian": DEVELOPER,
    "keyed": [{"projectKey": []}],
    "operator": [{"secretKey": []}, *DEVELOPER],
    "client": CLIENT,
    "person": [],  # only pages have this caller, and pages are not in the document
    "accessor": [*CLIENT, *DEVELOPER],
    "listener": [*CLIENT, *DEVELOPER],
    "guest": [*CLIENT, *DEVELOPER, {}],
    "visitor": [*CLIENT, {}],
}
PROJECT_NAME: Final = {
    "name": PROJECT_HEADER.title(),
    "in": "header",
    "description": "The id or slug of the project. A developer must send it. With a secret key, which belongs to "
    "one project, it is ignored.",
    "schema": {"type": "string"},
}
PROJECT_ID: Final = {
    "name": "project",
    "in": "query",
    "description": "The id of the project, for a public function or file that is used without a key.",
    "schema": {"type": "string", "pattern": "^prj_[a-z0-9]{1,60}$"},
}
COOKIES: Final = {
    "name": PARAMETER,
    "in": "query",
    "description": "Set the cookie of the session, and leave the tokens out of the answer. The project must allow it "
    "with the setting `cookies`.",
    "schema": {"type": "string", "enum": [WANTED]},
}
EXPLAIN: Final = {
    "name": EXPLAIN_HEADER.title(),
    "in": "header",
    "description": "Asks a refusal to explain the rules. The value is the access token of a member of the project; in "
    "dev mode also `true`.",
    "schema": {"type": "string"},
}
AS: Final = {
    "name": AS_HEADER.title(),
    "in": "header",
    "description": "The id of a user, or `-` for a visitor: the request then has the rights of this user, and rules "
    "apply. Only beside a secret key, a service token or a member's token.",
    "schema": {"type": "string", "pattern": f"^(?:-|{USER_ID[1:-1]})$"},
    "example": "usr_01jd7qv8x2r4m6t0w9c3e5g7hn",
}
HEADERS: Final = {
    "operator": [PROJECT_NAME],
    "client": [EXPLAIN],
    "person": [],  # only pages have this caller, and pages are not in the document
    "accessor": [PROJECT_NAME, EXPLAIN, AS],
    "listener": [PROJECT_NAME],
    "guest": [PROJECT_NAME, PROJECT_ID, EXPLAIN, AS],
    "visitor": [PROJECT_ID, EXPLAIN, AS],
}


def add_callers(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    """Add security and headers to an operation, in place."""
    names = [name for name in SECURITY if name in handler.parsed_fn_signature.parameters]
    caller = names[0] if names else "anyone"
    operation.setdefault("security", SECURITY[caller])
    more = HEADERS.get(caller, ())
    if more:
        operation["parameters"] = [*operation.get("parameters", ()), *more]


def describe_act(operation: dict[str, Any], act: Act) -> None:
    """Add the role and the scope that an operation needs to its description, in place."""
    needs = f"Permission: `{act.value}`."
    if act.role is not None and not act.servers:
        needs += f" Members need the role {act.role.value}."
    scopes = " or ".join(f"`{scope}`" for scope in (act.fine, act.coarse) if scope)
    if scopes:
        needs += f" A token or key with scopes needs {scopes}."
    operation["description"] = f"{operation.get('description', '')}\n\n{needs}".strip()


def describe_project(parameter: dict[str, Any]) -> None:
    """Describe `{project}` in place. The gateway reads it from the path; no handler has it as a parameter."""
    if (parameter["name"], parameter["in"]) == ("project", "path"):
        parameter["description"] = "The id or slug of the project."
        parameter["schema"]["pattern"] = PROJECT
