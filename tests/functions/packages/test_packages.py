"""npm packages in functions: each package is bundled as in `bunbase deploy`, deployed, and called in the sandbox.

`make packages` installs the packages of `package.json` in this folder and runs these tests. Otherwise only the table in
docs/packages.md is checked. A file in `calls/` uses its package, and sends its requests to a site on loopback.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Final

import msgspec
import pytest

from bunbase.cli.bundle import bundle
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.problems import InvalidBundle
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER, call, request
from tests.functions.egress.site import Site

HERE: Final = Path(__file__).parent
DOCS: Final = HERE.parents[2] / "docs/packages.md"
ROW: Final = re.compile(r"^\| `([^`]+)` ([\d.]+) \|(?: [\d,.]+ \|)? (yes|partly|no)\b", re.MULTILINE)
LISTED: Final = 40  # The list has this many packages. The docs show others in a second table.
MOST_NO: Final = 5

NODE_20: Final = HERE / "node20"  # npm chooses these versions on Node 20, because the newest versions need Node 22.
ON_NODE_20: Final = "## Versions on Node 20"


def _pinned(folder: Path) -> dict[str, str]:
    found: dict[str, str] = msgspec.json.decode((folder / "package.json").read_bytes())["dependencies"]
    return found


PACKAGES: Final = _pinned(HERE)
PACKAGES_20: Final = _pinned(NODE_20)
NO_SOCKETS: Final = "network access other than fetch is not available in functions"
REASONS: Final = {  # A call in the sandbox must show this error.
    "ws": NO_SOCKETS,
    "sharp": 'not deployed: Error: Could not load the "sharp" module',
    "pg": NO_SOCKETS,
    "ioredis": NO_SOCKETS,
    "mongodb": NO_SOCKETS,
    "nodemailer": NO_SOCKETS,
}
REASONS_20: Final = {"jsdom": "file system access is not available in functions (fs.readFileSync)"}
USING: Final = """
import use from {path};

export default async (request) => {{
    try {{
        await use(await request.text());
        return "used";
    }} catch (error) {{
        const causes = [];
        for (let one = error; one && causes.length < 5; one = one.cause) causes.push(one.stack || String(one));
        return "failed: " + error + causes.join("\\n");
    }}
}};
"""


@pytest.mark.parametrize(
    ("pinned", "reasons", "part"), [(PACKAGES, REASONS, 0), (PACKAGES_20, REASONS_20, 1)], ids=["newest", "Node 20"]
)
def test_the_docs_give_a_verdict_for_each_package_and_version(
    pinned: dict[str, str], reasons: dict[str, str], part: int
) -> None:
    rows = ROW.findall(DOCS.read_text().split(ON_NODE_20)[part])

    assert {name: version for name, version, _ in rows} == pinned
    assert {name for name, _, verdict in rows if verdict != "yes"} == set(reasons)
    assert sum(verdict == "no" for _, _, verdict in rows[:LISTED]) <= MOST_NO


@pytest.mark.skipif("BUNBASE_PACKAGES" not in os.environ, reason="make packages installs the packages and runs this")
@pytest.mark.parametrize("name", PACKAGES)
async def test_a_package_works_in_a_function(
    functions: FunctionsService, net: Site, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)

    outcome = await _outcome(functions, net, _entry(tmp_path, HERE / f"calls/{name}.mjs"))

    expected = REASONS.get(name)
    assert outcome == '"used"' if expected is None else expected in outcome, outcome


@pytest.mark.skipif("BUNBASE_PACKAGES" not in os.environ, reason="make packages installs the packages and runs this")
@pytest.mark.parametrize("name", PACKAGES_20)
async def test_the_version_that_npm_installs_on_node_20_works_in_a_function(
    functions: FunctionsService, net: Site, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(NODE_20)
    (tmp_path / "node_modules").symlink_to(NODE_20 / "node_modules")
    # This is a copy, because Bun resolves an import from the folder of the importing file.
    calls = tmp_path / "calls.mjs"
    calls.write_text((HERE / f"calls/{name}.mjs").read_text())

    outcome = await _outcome(functions, net, _entry(tmp_path, calls))

    expected = REASONS_20.get(name)
    assert outcome == '"used"' if expected is None else expected in outcome, outcome


def _entry(folder: Path, calls: Path) -> Path:
    entry = folder / "f.ts"
    entry.write_text(USING.format(path=msgspec.json.encode(str(calls)).decode()))
    return entry


async def _outcome(functions: FunctionsService, net: Site, entry: Path) -> str:
    bundled = await asyncio.to_thread(bundle, entry)
    config = FunctionConfig(allow_net=(f"api.test:{net.port}",), memory_mb=512)
    try:
        await functions.deploy(MEMBER, "f", Bundle(bundled.code, bundled.source_map, config))
    except InvalidBundle as refused:
        return f"not deployed: {refused}"
    return (
        await call(functions, "f", request(method="POST", body=f"https://api.test:{net.port}".encode()))
    ).body.decode()
