"""JSONTestSuite: each file becomes the body of requests to a real server, in the places where the server reads JSON.

The server must accept `y_` files and refuse `n_` files with a problem. The server may accept or refuse `i_` files, but
must not crash. An accepted document must be read back as Python reads the file.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx

from tests.outside.project import Project
from tests.outside.tally import Tally

# The places of a value in a body: a name, the request, the texts before and after the value, and the expected status.
PLACES: Final[dict[str, tuple[str, str, bytes, bytes, tuple[int, ...]]]] = {
    "document": ("PUT", "/v1/data/suite/d", b'{"v":', b"}", (200, 201)),
    "commit": (
        *("POST", "/v1/commit", b'{"writes":[{"op":"put","collection":"suite","id":"c","data":{"v":', b"}}]}", (200,)),
    ),
    "patch": ("PATCH", "/v1/data/suite/patched", b'{"$set":{"v":', b"}}", (200,)),
    "schema": ("PUT", "/v1/collections/other", b'{"schema":{"properties":{"v":{"const":', b"}}}}", (200, 201)),
    "rules/test": (
        *("POST", "/v1/rules/test", b'{"collection":"suite","op":"get","rules":{"get":"true"},"doc":{"v":'),
        *(b"}}", (200,)),
    ),
}
BODIES: Final = {
    "sign-up": ("POST", "/v1/auth/signup"),
    "login": ("POST", "/api/auth/login"),
    "query": ("POST", "/v1/data/suite/query"),
    "aggregate": ("POST", "/v1/data/suite/aggregate"),
    "rpc": ("POST", "/rpc"),
}
# These codes concern 32 levels, numbers and names.
LIMITS: Final = ("invalid_document", "invalid_input", "invalid_schema", "invalid_update")


def run(suites: Path, project: Project) -> list[Tally]:
    """Return the results of all files in all places."""
    project.send("PUT", "/v1/collections/suite", {"rules": {}}).raise_for_status()
    project.send("PUT", "/v1/data/suite/patched", {}).raise_for_status()
    files = sorted((suites / "JSONTestSuite" / "test_parsing").glob("*.json"))
    places = [_in_place(files, project, place) for place in PLACES]
    return places + [_as_body(files, project, name) for name in BODIES]


def _in_place(files: list[Path], project: Project, place: str) -> Tally:
    tally = Tally(f"JSONTestSuite in {place}")
    method, path, before, after, good = PLACES[place]
    for file in files:
        text = file.read_bytes()
        answer = project.send(method, path, raw=before + text + after)
        found = f"{answer.status_code} {answer.text[:150]}"
        kind = file.name[0]
        if answer.status_code >= 500 or (answer.status_code >= 400 and not _is_problem(answer)):
            tally.check(False, file.name, found)
        elif kind == "i":
            tally.skipped["the suite allows both answers"] += 1
        elif kind == "n":
            tally.check(answer.status_code >= 400 or _inside(before + text + after), file.name, found)
        elif answer.status_code == 422 and answer.json()["code"] in LIMITS and _beyond_limits(text):
            tally.known["U+0000 in a name, or the same name twice"] += 1
        else:
            right = answer.status_code in good
            if right and place == "document":
                back = project.send("GET", "/v1/data/suite/d").text
                right = _decoded(back)["v"] == _decoded(text.decode())
                found = back
            tally.check(right, file.name, found)
    return tally


def _as_body(files: list[Path], project: Project, name: str) -> Tally:
    """Send the file as a whole body.

    `n_` must get 400, and every other file a problem or an answer, but never a crash.
    """
    tally = Tally(f"JSONTestSuite as the body of {name}")
    method, path = BODIES[name]
    for file in files:
        answer = project.send(method, path, raw=file.read_bytes())
        unreadable = answer.status_code in (400, 413, 422)
        right = answer.status_code < 500 and (unreadable or file.name[0] != "n")
        if answer.status_code >= 400:
            right = right and _is_problem(answer)
        if name == "rpc":
            right = answer.status_code < 500
        tally.check(right, file.name, f"{answer.status_code} {answer.text[:150]}")
    return tally


def _inside(whole: bytes) -> bool:
    """True if a text that is no JSON value completes the JSON around it."""
    try:
        json.loads(whole.decode(), parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _beyond_limits(text: bytes) -> bool:
    """True if an object has a name that documents may not have."""
    names: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> None:
        names.extend(name for name, _ in found)

    json.loads(text, object_pairs_hook=pairs)
    return len(set(names)) != len(names) or any(not name or min(name) < " " for name in names)


def _decoded(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def _is_problem(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("application/problem+json") and "code" in answer.json()
