"""Prove that the person at the terminal owns the account. The server asks for a fresh proof before some requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import httpx

from bunbase.cli.attempts import until_right
from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, decode
from bunbase.cli.output import Output
from bunbase.cli.prompts import ask, ask_secret

REQUIRED: Final = "reauthentication_required"
WRONG: Final = "wrong_proof"
NEEDED: Final = "The last sign-in or proof must be at most ten minutes old."


def prove(problem: dict[str, Any], send: Callable[[Call], httpx.Response]) -> None:
    """Ask the person for a proof until the proof is right, and send it. `problem`: the answer that demands a proof.

    Raises: Refused, Unreachable.
    """
    kind = _kind(problem.get("methods", ()))
    if not kind:
        raise Refused(problem | {"detail": f"{NEEDED} Sign in again: bunbase login --provider <name>"})
    out = Output(json=False)
    out.hint("This needs a fresh proof that the account is yours.")

    def attempt() -> None:
        decode(send(Call("POST", "/api/auth/reauthenticate", json={kind: _typed(kind)})), type(None))

    until_right(attempt, WRONG, out)


def unattended(problem: dict[str, Any], email: str) -> Refused:
    """Return the failure of a command that needs a proof but cannot ask anybody."""
    named = email or "<your address>"
    advice = f"Run this command at a terminal and without --json, or first: bunbase login --email {named}"
    return Refused(problem | {"detail": f"{NEEDED} {advice} --password-stdin"})


def _kind(methods: Sequence[str]) -> str:
    """Return the kind of proof to ask for, or "" if the account has no proof that a person can type."""
    return next((kind for kind in ("password", "code") if kind in methods), "")


def _typed(kind: str) -> str:
    if kind == "password":
        return ask_secret("Your password", "")
    return ask("Code of your authenticator app", "")
