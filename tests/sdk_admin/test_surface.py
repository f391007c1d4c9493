"""Every operation for servers has a call, every call has a documented example, and the package has all its files."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.sdk_admin import examples
from tests.sdk_admin.sites import ADMIN, PROGRAMS
from tests.sdk_js.test_guide import copied, files_of
from tests.sdk_js.test_surface import is_request, operations, without_example

TABLE: Final[dict[str, Any]] = msgspec.json.decode((ADMIN / "operations.json").read_bytes())
COVERED: Final[dict[str, str]] = TABLE["covered"]
ELSEWHERE: Final[set[str]] = {operation for names in TABLE["elsewhere"].values() for operation in names}
PROJECT: Final = "/api/projects/{project}"
PARTS: Final = re.compile(rf"^{re.escape(PROJECT)}/(functions|jobs|logs|schedules|backups|env|export|import)\b")
INTERNAL: Final = {
    "assertion",
    "connection",
    "exporting",
    "importing",
    "logs",
    "parts",
    "patience",
    "service_tokens",
}
# The client sends POST /query instead, because filters may be longer than an address.
LIST_BY_GET: Final = "listDocuments"


def belongs(path: str) -> bool:
    return path.startswith("/v1/") or PARTS.match(path) is not None or path == PROJECT


def test_every_operation_for_servers_is_covered_by_a_call_or_left_out_with_a_reason() -> None:
    names = {name for _, path, name in operations(belongs) if path != PROJECT}
    known = {name for _, _, name in operations(belongs)}

    assert sorted(names - COVERED.keys() - ELSEWHERE) == [], "add them to sdk/admin/operations.json"
    assert sorted((COVERED.keys() | ELSEWHERE) - known) == [], "these operations do not exist any more"
    assert COVERED.keys().isdisjoint(ELSEWHERE)


def test_the_calls_of_the_table_exist_and_send_the_requests_of_its_operations(folder: Path) -> None:
    ran = subprocess.run(
        ["node", PROGRAMS / "surface.mjs", folder], capture_output=True, text=True, check=True, timeout=60
    )
    found = msgspec.json.decode(ran.stdout)

    wanted = list(operations(belongs))
    sent = {name for method, path, name in wanted for line in found["sent"] if is_request(method, path, line)}
    assert found["missing"] == []
    assert sorted(COVERED.keys() - sent - {LIST_BY_GET}) == [], "no call sends these"
    assert [
        line for line in found["sent"] if not any(is_request(method, path, line) for method, path, _ in wanted)
    ] == []


def test_the_examples_of_the_comments_are_compiled() -> None:
    assert examples.FILE.read_text() == examples.source(), "run: python -m tests.sdk_admin.examples"


def test_every_public_method_has_a_comment_with_an_example() -> None:
    files = [path for path in sorted(ADMIN.glob("src/*.ts")) if path.stem not in INTERNAL]

    assert len(files) > 8
    assert [name for path in files for name in without_example(path)] == []


def test_the_package_has_one_module_its_types_sources_a_readme_and_the_license(tmp_path: Path) -> None:
    """The module and its types are empty files in this test, because the compiler takes seconds.

    `make sdk` packs the real ones.
    """
    copy = copied(ADMIN, tmp_path)
    sources = {path.name for path in (ADMIN / "src").iterdir()}
    made = {"index.js", "index.js.map", *(f"{name[:-3]}.d.ts" for name in sources)}
    (copy / "dist").mkdir()
    for name in made:
        (copy / "dist" / name).touch()

    subprocess.run(["npm", "run", "--silent", "license"], cwd=copy, check=True, timeout=60)
    packed = files_of(copy, "--ignore-scripts")

    both = {f"src/{name}" for name in sources} | {f"dist/{name}" for name in made}
    assert packed == both | {"LICENSE", "README.md", "package.json"}


def test_the_client_depends_on_bunbase_js_of_exactly_its_own_version() -> None:
    own, other = (
        msgspec.json.decode((folder / "package.json").read_bytes()) for folder in (ADMIN, ADMIN.parent / "js")
    )

    assert own["version"] == other["version"]
    assert own["dependencies"] == {"bunbase-js": other["version"]}
