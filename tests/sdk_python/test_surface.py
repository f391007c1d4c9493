"""Every operation that a server needs has a method, and both faces have the same methods with an example each."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import pytest

import bunbase_sdk
from bunbase_sdk import Client, Problem
from bunbase_sdk.core.transport import AGENT
from tests.sdk_python import typed_examples
from tests.sdk_python.models import ROOT, document

SDK: Final = ROOT / "sdk/python"
TABLE: Final[dict[str, Any]] = msgspec.json.decode((SDK / "operations.json").read_bytes())
COVERED: Final[dict[str, str]] = TABLE["covered"]
ELSEWHERE: Final[set[str]] = {operation for operations in TABLE["elsewhere"].values() for operation in operations}
METHODS: Final = ("get", "put", "post", "patch", "delete", "head", "options")
AREAS: Final = re.compile(
    r"/v1/|/api/projects/\{project\}/(functions|jobs|logs|schedules|backups|env|export|import)(/|$)"
)
# The client sends POST /query instead, because filters may be longer than an address.
LIST_BY_GET: Final = "listDocuments"
FACES: Final = (
    "auth", "backups", "client", "collection", "collections", "data", "env", "functions", "invites", "jobs", "project",
    "transaction", "users",
)  # fmt: skip
ANSWER: Final[dict[str, Any]] = {
    "items": [], "next": None, "_id": "rye", "_rev": 1, "id": "u1", "likes": 1, "balance": 100, "total": 1,
    "state": "done", "token": "t", "access_token": "t", "expires_in": 600, "scope": "data:read",
}  # fmt: skip
# Examples that send these requests would follow changes for a minute.
REFUSED: Final = ("/v1/changes", "/v1/live", "/logs")


def operations() -> Iterator[tuple[str, str, str]]:
    """Yield the method, the path and the name of each operation of this client, or of another client."""
    for path, item in document()["paths"].items():
        for method in METHODS:
            if AREAS.match(path) and method in item:
                yield method.upper(), path, item[method]["operationId"]


def test_every_operation_of_servers_is_covered_by_a_method_or_belongs_elsewhere() -> None:
    names = {name for _, _, name in operations()}

    assert sorted(names - COVERED.keys() - ELSEWHERE) == [], "add them to sdk/python/operations.json"
    assert sorted((COVERED.keys() | ELSEWHERE) - names) == [], "these operations do not exist any more"
    assert COVERED.keys().isdisjoint(ELSEWHERE)


def test_the_examples_send_the_requests_of_all_covered_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.chdir(tmp_path)
    Path("hello.js").write_text("exports.default = () => 1")
    monkeypatch.setattr(typed_examples, "token", _token())

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(f"{request.method} {request.url.path}")
        if request.url.path.endswith(REFUSED):
            return httpx.Response(403, json={"code": "forbidden", "status": 403})
        media = "application/x-ndjson" if "export" in request.url.path else "application/json"
        return httpx.Response(200, content=msgspec.json.encode(ANSWER), headers={"Content-Type": media})

    for key in ("sk_1", "bpt_1"):
        with httpx.Client(transport=httpx.MockTransport(answer)) as http:
            client = Client("http://bunbase.test", key, project="prj_1", http=http)
            _run_examples(client)
            for method in METHODS if key == "sk_1" else ():
                for path in ("", "/below"):
                    client.functions.fetch("hello", method=method.upper(), path=path)
            with suppress(Problem):
                list(client.functions.logs())

    found = {name for method, path, name in operations() for line in sent if _matches(method, path, line)}
    assert sorted(COVERED.keys() - found - {LIST_BY_GET}) == [], "no example sends these"


def _token() -> str:
    head = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0"  # This is {"alg":"RS256","kid":"k1"}.
    return f"{head}.e30.AA"


def _run_examples(client: Client) -> None:
    for name, example in vars(typed_examples).items():
        if name.startswith("example_"):
            # An example may use an undefined `tx`, or a result that no server has sent.
            with suppress(Problem, NameError, AttributeError, LookupError):
                example(client, None)


def _matches(method: str, path: str, line: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(f"{method} {path}"))
    return re.fullmatch(pattern, line) is not None


def test_both_faces_have_the_same_methods_with_an_example_each() -> None:
    for module in FACES:
        sync, aio = (__import__(f"bunbase_sdk.{face}.{module}", fromlist=["x"]) for face in ("sync", "aio"))
        for name, face in _classes(sync):
            other = getattr(aio, f"Async{name}")
            assert _public(face) == _public(other)
            bare = [one for one in _public(face) if not _has_example(face, one) or not _has_example(other, one)]
            assert bare == [], name


def _classes(module: Any) -> list[tuple[str, type]]:
    return [
        (name, one) for name, one in inspect.getmembers(module, inspect.isclass) if one.__module__ == module.__name__
    ]


def _public(face: type) -> list[str]:
    return sorted(name for name in vars(face) if not name.startswith("_"))


def _has_example(face: type, name: str) -> bool:
    member = vars(face)[name]
    return isinstance(member, property) or "```python" in (member.__doc__ or "")


def test_the_names_of_the_package_exist_and_its_version_is_everywhere_the_same() -> None:
    project = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]

    assert all(hasattr(bunbase_sdk, name) for name in bunbase_sdk.__all__)
    assert AGENT.endswith(f"/{project['version']}")
    assert project["dependencies"] == ["httpx==0.28.1"]


def test_the_wheel_is_for_all_systems_has_the_types_and_works_where_it_is_installed(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=SDK, check=True, capture_output=True)

    (wheel,) = tmp_path.iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name == "bunbase_sdk-0.1.0-py3-none-any.whl"
    assert {"bunbase_sdk/py.typed", "bunbase_sdk/__init__.py", "bunbase_sdk/sync/project.py"} <= {*names}
    assert all(name.startswith("bunbase_sdk") for name in names)
    site = tmp_path / "site"
    install = ["uv", "pip", "install", "-q", "--offline", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", *install], check=True, capture_output=True)
    program = f"import sys; sys.path.insert(0, {str(site)!r}); import bunbase_sdk; print(bunbase_sdk.__file__)"
    ran = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(str(site))
