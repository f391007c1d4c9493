"""The compilers accept every document that matches its schema, and refuse documents with a wrong type."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import Phase, given, settings

from bunbase.bundoc.schema.checking import check_schema
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.cli.document_types import python, typescript
from bunbase.cli.document_types.collections import CollectionSchema, types_of
from bunbase.contracts.bundoc.problems import InvalidSchema
from tests.cli.document_types import drawn
from tests.cli.document_types.drawn import Drawn
from tests.seeds import examples

ROOT = Path(__file__).parents[3]
TSC = ROOT / "node_modules" / ".bin" / "tsc"
OPTIONS = {"strict": True, "noEmit": True, "target": "es2022", "lib": ["es2022"], "types": [], "skipLibCheck": True}
CASES = 25
DRAWN = examples(CASES)  # The fixtures of these tests remove the variable that multiplies this number.


class Cases:
    """The files of both languages: for each case, one file in each language."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = self.refused = 0

    def add(self, case: Drawn, strict: bool) -> None:
        if not _is_accepted(case, strict):
            return
        name = f"case_{self.count}"
        self.count += 1
        types = types_of([CollectionSchema("posts", case.schema, strict)])
        refused = case.bad is not None and not _matches(case.schema, strict, case.bad)
        self.refused += refused
        ts = [typescript.typescript(msgspec.json.encode(case.schema).decode(), types)]
        ts.append(f"export const good: NewPost = {drawn.typescript(case.good)};")
        py = [python.python(name, types), "", f"good: NewPost = {drawn.python(case.good)}"]
        if refused:
            ts += ["// @ts-expect-error", f"export const bad: NewPost = {drawn.typescript(case.bad)};"]
        if refused and not case.only_typescript:
            py.append(f"bad: NewPost = {drawn.python(case.bad)}  # type: ignore")
        (self.folder / f"{name}.ts").write_text("\n".join(ts) + "\n")
        (self.folder / f"{name}.py").write_text("\n".join(py) + "\n")


def _is_accepted(case: Drawn, strict: bool) -> bool:
    """True if the server accepts the schema. Some drawn schemas have too many alternatives or references."""
    try:
        check_schema(case.schema)
    except InvalidSchema:
        return False
    assert _matches(case.schema, strict, case.good), case
    return True


def _matches(schema: dict[str, object], strict: bool, value: object) -> bool:
    return not DocumentSchema(schema, strict).violations(msgspec.json.encode(drawn.plain(value)))


def compiled(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.explore
def test_tsc_and_mypy_accept_all_valid_documents_and_refuse_the_others(tmp_path: Path) -> None:
    """One run of each compiler checks all cases. A comment expects the error of each document that it must refuse."""
    made = Cases(tmp_path)

    @given(drawn.documents())
    @settings(max_examples=DRAWN, phases=[Phase.generate])
    def draw(case: tuple[Drawn, bool]) -> None:
        made.add(*case)

    draw()
    assert made.count > CASES / 2
    assert made.refused > CASES / 4

    (tmp_path / "tsconfig.json").write_bytes(msgspec.json.encode({"compilerOptions": OPTIONS}))
    assert compiled([str(TSC), "--project", "."], tmp_path) == ""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", "--config-file", "", "."]
    assert compiled([*mypy, "--cache-dir", str(ROOT / ".mypy_cache" / "documents")], tmp_path) == ""
