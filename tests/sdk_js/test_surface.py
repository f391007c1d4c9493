"""Every operation below /v1 has a call of the client, and every call has a documented example."""

from __future__ import annotations

import gzip
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.sdk_js import database, examples
from tests.sdk_js.codes import FILE, document, source
from tests.sdk_js.sites import ENTRIES, ESBUILD, PROGRAMS, ROOT, SDK

TABLE: Final[dict[str, Any]] = msgspec.json.decode((SDK / "operations.json").read_bytes())
COVERED: Final[dict[str, str]] = TABLE["covered"]
ELSEWHERE: Final[set[str]] = {operation for operations in TABLE["elsewhere"].values() for operation in operations}
METHODS: Final = ("get", "put", "post", "patch", "delete", "head", "options")
INTERNAL: Final = (
    "auth/requests",
    "auth/session",
    "auth/storage",
    "data/requests",
    "deadline",
    "files/content",
    "files/later",
    "files/progress",
    "files/resumable",
    "files/sources",
    "files/requests",
    "internal",
    "live/cache",
    "live/connection",
    "live/feed",
    "live/links",
    "live/machine",
    "live/outbox",
    "live/overlay",
    "live/pacing",
    "live/result",
    "live/rooms",
    "live/tabs",
    "live/views",
    "local",
    "react/addresses",
    "react/users",
    "testing/documents",
    "testing/files",
    "testing/md5",
    "transport",
)
# The client sends POST /query instead, because filters may be longer than an address.
LIST_BY_GET: Final = "listDocuments"
PUBLIC: Final = re.compile(
    r"^  (?:get |async )?\*?([a-zA-Z]\w*)(?:<.*>)?\([^)]*\)?.*\{$|^export function (create\w+|use\w+)", re.MULTILINE
)
# An app that imports the whole entry has at most this many bytes, minified and gzipped. The decisions 0071, 0095, 0096
# and 0099 have the reasons.
BYTES: Final = {
    "index": 11_570,
    "auth/index": 7_020,
    "data/index": 5_220,
    "files/index": 5_950,
    "functions/index": 3_950,
    "live/index": 16_770,
    "server/index": 6_860,
    "react/index": 3_760,
    "testing/index": 18_200,
}
# A page loads these modules when it first needs them: windows, passkeys and the account; large files and progress. Each
# module has at most this many bytes.
LATER_BYTES: Final = {
    "index": 5_720,
    "auth/index": 3_020,
    "files/index": 2_720,
    "live/index": 2_000,
    "testing/index": 5_720,
}


def operations(below: Callable[[str], bool] = lambda path: path.startswith("/v1/")) -> Iterator[tuple[str, str, str]]:
    """Yield the method, the path and the name of each operation below /v1."""
    for path, item in document()["paths"].items():
        for method in METHODS:
            if below(path) and method in item:
                yield method.upper(), path, item[method]["operationId"]


def test_every_operation_below_v1_is_covered_by_a_call_or_belongs_to_another_package() -> None:
    names = {name for _, _, name in operations()}

    assert sorted(names - COVERED.keys() - ELSEWHERE) == [], "add them to sdk/js/operations.json"
    assert sorted((COVERED.keys() | ELSEWHERE) - names) == [], "these operations do not exist any more"
    assert COVERED.keys().isdisjoint(ELSEWHERE)


def test_the_calls_of_the_table_exist_and_send_the_requests_of_its_operations(folder: Path) -> None:
    ran = subprocess.run(["node", PROGRAMS / "surface.mjs", folder], capture_output=True, text=True, check=True)
    found = msgspec.json.decode(ran.stdout)

    sent = {name for method, path, name in operations() for line in found["sent"] if is_request(method, path, line)}
    assert found["missing"] == []
    assert sorted(COVERED.keys() - sent - {LIST_BY_GET}) == [], "no call sends these"


def test_the_codes_of_problems_are_those_of_the_openapi_document() -> None:
    assert FILE.read_text() == source(), "run: python -m tests.sdk_js.codes"


def test_the_types_of_the_client_are_checked_with_what_the_emitter_writes() -> None:
    assert database.FILE.read_text() == database.source(), "run: python -m tests.sdk_js.database"


def test_the_examples_of_the_comments_are_compiled() -> None:
    assert examples.FILE.read_text() == examples.source(), "run: python -m tests.sdk_js.examples"


def test_every_public_method_has_a_comment_with_an_example() -> None:
    bare = [name for path in sorted(SDK.glob("src/**/*.ts")) if not _internal(path) for name in without_example(path)]
    assert bare == []


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_is_not_larger_than_its_limit(entry: str, tmp_path: Path) -> None:
    meta = tmp_path / "meta.json"
    options = ["--bundle", "--splitting", "--minify", "--format=esm", "--target=es2022", "--external:react"]
    to = [f"--outdir={tmp_path}", f"--metafile={meta}", "--log-level=warning"]
    subprocess.run([ESBUILD, SDK / f"src/{entry}.ts", *options, *to], check=True, cwd=ROOT)

    outputs = msgspec.json.decode(meta.read_bytes())["outputs"]
    files: dict[Path, Any] = {(ROOT / name).resolve(): made for name, made in outputs.items()}
    sizes = {file: len(gzip.compress(file.read_bytes(), 9)) for file in files}
    at_once = [file for file, made in files.items() if made.get("entryPoint", "").endswith(f"{entry}.ts")]
    assert all(one["kind"] != "import-statement" or one["path"] == "react" for one in files[at_once[0]]["imports"])
    later = [size for file, size in sizes.items() if file not in at_once]
    assert len(at_once) == 1
    assert sizes[at_once[0]] <= BYTES[entry]
    assert sum(later) <= LATER_BYTES.get(entry, 0)


def test_an_app_that_only_signs_in_does_not_carry_the_other_parts(tmp_path: Path) -> None:
    app, out = tmp_path / "app.js", tmp_path / "bundle.js"
    app.write_text(f'import {{ Problem }} from "{SDK}/src/index.ts";\nconsole.log(Problem);\n')
    subprocess.run(
        [ESBUILD, app, "--bundle", "--minify", "--format=esm", f"--outfile={out}", "--log-level=warning"],
        check=True,
        cwd=ROOT,
    )

    assert len(out.read_bytes()) < 1000


def is_request(method: str, path: str, line: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(f"{method} {path}"))
    return re.fullmatch(pattern, line) is not None


def _internal(path: Path) -> bool:
    return path.relative_to(SDK / "src").with_suffix("").as_posix() in INTERNAL


def without_example(path: Path) -> Iterator[str]:
    """Yield the public methods and functions of a file that have no example in their comment."""
    text = path.read_text()
    for match in PUBLIC.finditer(text):
        name = match[1] or match[2]
        before = text[: match.start()].rstrip()
        comment = before[before.rfind("/**") :] if before.endswith("*/") else ""
        if (
            name not in ("constructor", "if", "for", "while", "switch", "catch", "useEffect", "answer")
            and "```ts" not in comment
            and "@internal" not in comment
        ):
            yield f"{path.name}: {name}"
