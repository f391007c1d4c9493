"""npm packages in functions: each is bundled as `bunbase deploy` does it, deployed, and called for real in the sandbox.

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
ROW: Final = re.compile(r"^\| `([^`]+)` ([\d.]+) \| [\d,.]+ \| (yes|partly|no)\b", re.MULTILINE)
LISTED: Final = 40  # the packages of the list; the docs show others in a second table
MOST_NO: Final = 5

PACKAGES: Final[dict[str, str]] = msgspec.json.decode((HERE / "package.json").read_bytes())["dependencies"]
NO_SOCKETS: Final = "network access other than fetch is not available in functions"
REASONS: Final = {  # the error that a call in the sandbox must show
    "ws": NO_SOCKETS,
    "sharp": 'not deployed: Error: Could not load the "sharp" module',
    "pg": NO_SOCKETS,
    "ioredis": NO_SOCKETS,
    "mongodb": NO_SOCKETS,
    "nodemailer": NO_SOCKETS,
}
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


def test_the_docs_give_a_verdict_for_each_package_and_version() -> None:
    rows = ROW.findall(DOCS.read_text())

    assert {name: version for name, version, _ in rows} == PACKAGES
    assert {name for name, _, verdict in rows if verdict != "yes"} == set(REASONS)
    assert sum(verdict == "no" for _, _, verdict in rows[:LISTED]) <= MOST_NO


@pytest.mark.skipif("BUNBASE_PACKAGES" not in os.environ, reason="make packages installs the packages and runs this")
@pytest.mark.parametrize("name", PACKAGES)
async def test_a_package_works_in_a_function(
    functions: FunctionsService, net: Site, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    entry = tmp_path / "f.ts"
    entry.write_text(USING.format(path=msgspec.json.encode(str(HERE / f"calls/{name}.mjs")).decode()))

    outcome = await _outcome(functions, net, entry)

    expected = REASONS.get(name)
    assert outcome == '"used"' if expected is None else expected in outcome, outcome


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
