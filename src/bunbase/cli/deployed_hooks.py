"""Find the hooks that a project's settings name and that a bundle does not have.

While a hook has no function, nobody can sign in. So a deployment prints a warning if it removes the function of a hook.
"""

from __future__ import annotations

import re
from typing import Any, Final

from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, at
from bunbase.cli.session import Session
from bunbase.contracts.functions.hooks import EXPORTS, OF_USERS, HookName, names_hook

# Bun writes the exports in this format
EXPORTED: Final = re.compile(rb"__export\(exports_\w+, \{([^}]*)\}\);\s*module\.exports = ")


def missing_hooks(session: Session, project: str, name: str, code: bytes) -> tuple[HookName, ...]:
    """Return the hooks for which the settings name this function, and which its bundle does not have."""
    # a hook may exist if the bundle contains its name, so only hooks without their name are returned
    hooks = _named_hooks(session, project)
    missing: list[HookName] = [hook for hook in OF_USERS if hooks.get(hook) == name and not names_hook(code, hook)]
    if not names_hook(code, HookName.BEFORE_WRITE) and _is_asked(session, project, name):
        missing.append(HookName.BEFORE_WRITE)
    return tuple(missing)


def _named_hooks(session: Session, project: str) -> dict[str, Any]:
    try:
        hooks: dict[str, Any] = session.ask(dict[str, Any], Call("GET", at("projects", project, "auth")))["hooks"]
    except Refused:  # the user may be allowed to deploy, but not to read the settings
        return {}
    return hooks


def _is_asked(session: Session, project: str, name: str) -> bool:
    """True if a collection has this function as `before_write`."""
    call = Call("GET", "/v1/collections", headers={"x-bunbase-project": project})
    try:
        items = session.ask(dict[str, Any], call)["items"]
    except Refused:
        return False
    return any((one.get("before_write") or {}).get("function") == name for one in items)


def answers_requests(code: bytes) -> bool:
    """False if the bundle certainly exports no handler, but only `hooks` or a `migration`."""
    found = EXPORTED.search(code)
    return found is None or b"default:" in found[1]


def warning(name: str, hook: HookName) -> str:
    if hook is HookName.BEFORE_WRITE:
        return (
            f"A collection asks {name} before writes, and this version has no hooks.{EXPORTS[hook]}: these writes will "
            "fail. Add the hook, or take before_write out of the collection."
        )
    return (
        f"{name} is the hook {hook} of the project, and this version has no hooks.{EXPORTS[hook]}: it will fail. "
        f"Add the hook, or take {hook} out of [auth.hooks] and run: bunbase auth push"
    )
