"""The work of the compiler for the types of 200 collections with 40 fields each. `make sdk` runs this.

The compiler counts instantiations, which are the steps of computing a type. The number of instantiations does not
depend on the machine. tsc stops with an error after 5 million instantiations in one expression.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from bunbase.cli.document_types.collections import CollectionSchema, types_of
from bunbase.cli.document_types.typescript import typescript
from tests.sdk_js.sites import ROOT, SDK

TSC: Final = ROOT / "node_modules/.bin/tsc"
FUNCTIONS: Final = ROOT / "packages/functions"
COLLECTIONS: Final = 200
FIELDS: Final = 40
KINDS: Final[tuple[dict[str, Any], ...]] = (
    {"type": "string"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "integer", "x-int64": True},
    {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "number"}}},
)
APP: Final = f"""\
import {{ createClient }} from "{SDK}/src/index.js";
const data = createClient<Database>("http://x", "pk").data;
"""
FUNCTION: Final = f"""\
import type {{ Context }} from "{FUNCTIONS}/index.js";
declare const data: Context<Database>["data"];
"""
# The example has, for each collection, the query and the change with the largest types.
CALLS_OF_AN_APP: Final = (
    'void data.collection("{0}").query({{ where: {{ f0: "a", "f5.a": "x" }}, sort: ["-f1"] }});',
    'void data.collection("{0}").patch("p", {{ f1: 2, f5: {{ b: null }} }});',
)
MORE_CALLS_OF_AN_APP: Final = (
    'void data.collection("{0}").query({{ select: ["f1", "f5.a"] }}).then(({{ items }}) => items[0]?.f1);',
    'void data.collection("{0}").patch("p", {{ $inc: {{ f1: 1 }}, $push: {{ f3: "a" }} }});',
    'void data.commit([{{ op: "patch", collection: "{0}", id: "p", data: {{ f1: 1 }} }}]);',
)
CALLS_OF_A_FUNCTION: Final = (
    'void data.query("{0}", {{ where: {{ f0: "a", "f5.a": "x" }}, sort: ["-f1"] }});',
    'void data.patch("{0}", "p", {{ f1: 2, f5: {{ b: null }} }});',
    'void data.commit([{{ op: "patch", collection: "{0}", id: "p", data: {{ f1: 1 }} }}]);',
)

pytestmark = pytest.mark.skipif(os.environ.get("BUNBASE_SDK") != "1", reason="make sdk runs the dear checks of types")


@pytest.mark.parametrize(
    ("beginning", "calls", "most"),
    [
        (APP, CALLS_OF_AN_APP, 130_000),
        (APP, CALLS_OF_AN_APP + MORE_CALLS_OF_AN_APP, 285_000),
        (FUNCTION, CALLS_OF_A_FUNCTION, 100_000),
    ],
    ids=["app", "app with more calls", "function"],
)
def test_a_large_database_takes_no_more_steps_of_the_compiler_than_its_limit(
    beginning: str, calls: tuple[str, ...], most: int, tmp_path: Path
) -> None:
    names = [f"c{number}" for number in range(COLLECTIONS)]
    (tmp_path / "database.ts").write_text(_database(names))
    lines = [call.format(name) for name in names for call in calls]
    (tmp_path / "app.ts").write_text("\n".join(['import type { Database } from "./database.js";', beginning, *lines]))

    assert _instantiations(tmp_path) <= most


def _database(names: list[str]) -> str:
    """Return the module that `bunbase gen types` writes for these collections."""
    fields = {f"f{number}": KINDS[number % len(KINDS)] for number in range(FIELDS)}
    schema = {"type": "object", "required": list(fields), "properties": fields}
    return typescript("Large", types_of(CollectionSchema(name, schema) for name in names))


def _instantiations(folder: Path) -> int:
    """Compile `app.ts` with the options of the client. Return the number of instantiations."""
    config = msgspec.json.decode((SDK / "tsconfig.json").read_bytes())
    (folder / "tsconfig.json").write_bytes(msgspec.json.encode(config | {"include": ["app.ts"]}))
    ran = subprocess.run([TSC, "-p", folder, "--extendedDiagnostics"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    counted = next(line for line in ran.stdout.splitlines() if line.startswith("Instantiations"))
    return int(counted.split()[1])
