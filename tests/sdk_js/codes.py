"""The error codes of the client: the union that the OpenAPI document lists, and the codes of the client itself.

python -m tests.sdk_js.codes     writes sdk/js/src/problem_codes.ts
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from tests.sdk_js.sites import ROOT, SDK

FILE: Final = SDK / "src/problem_codes.ts"
DOCUMENT: Final = ROOT / "docs/reference/openapi.json"
OWN: Final = {
    "network": "The server could not be reached.",
    "timeout": "There was no answer within `timeoutMs`.",
    "aborted": "The signal of the call was aborted.",
    "invalid_value": "A value cannot be sent. `errors` has its path.",
    "unexpected_answer": "The answer is not from BunBase.",
    "function_answer": "A function answered with a status that is not 2xx. `body` is its answer.",
    "passkey_failed": "The browser gave no passkey.",
    "popup_blocked": "The browser opened no window, because the call did not come at once in a click.",
    "popup_closed": "The window of a sign-in was closed before its end.",
    "storage_failed": "The storage of the session, or of live queries, does not work.",
    "queue_full": "Too many writes or messages wait for the network.",
}

# These codes are of bunbase-admin: for checks of webhooks, and for refusals of the token endpoint (RFC 6749 §5.2).
OF_SERVERS: Final = (
    "signature_missing",
    "signature_invalid",
    "timestamp_out_of_tolerance",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "unauthorized_client",
    "unsupported_grant_type",
)


def document() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(DOCUMENT.read_bytes())
    return found


def source() -> str:
    """Return the text of problem_codes.ts."""
    own = "".join(f"\n  /** {text} */\n  | {_quoted(code)}" for code, text in OWN.items())
    codes = "".join(f"\n  | {_quoted(code)}" for code in document()["components"]["schemas"]["ProblemCode"]["enum"])
    servers = "".join(f"\n  | {_quoted(code)}" for code in OF_SERVERS)
    return (
        "// Written by `python -m tests.sdk_js.codes` from docs/reference/openapi.json.\n\n"
        f"/** The codes of errors that this client raises itself. */\nexport type ClientCode ={own};\n\n"
        f"/** The codes of errors that bunbase-admin raises itself. */\nexport type AdminCode ={servers};\n\n"
        f"/** The codes of errors that the server answers with. docs/reference/errors.md explains them. */\n"
        f"export type ServerCode ={codes};\n\n"
        "/**\n"
        " * A code of an error. The list is closed: a misspelt code does not compile. A newer server may have others:\n"
        ' * write `error.code as string` to compare with them, or `"new_code" as ProblemCode` for `Problem.is`.\n'
        " */\n"
        "export type ProblemCode = ClientCode | AdminCode | ServerCode;\n"
    )


def _quoted(code: str) -> str:
    return f'"{code}"'


def main(file: Path = FILE) -> None:
    file.write_text(source(), "utf-8")


if __name__ == "__main__":
    main()
