"""Apps that install the packed client and bundle it with Vite, webpack, Rollup and esbuild. `make sdk` runs them."""

from __future__ import annotations

import gzip
import os
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.sdk_js.packages import packed_client, unpacked_client
from tests.sdk_js.sites import PROGRAMS, ROOT, Site, run_program
from tests.sdk_js.test_surface import BYTES, LATER_BYTES

RUNTIMES: Final = Path(__file__).parent / "runtimes"
BUNDLERS: Final = ("esbuild", "rollup", "vite", "webpack")
# The files are: a bundle for each entry of the client; `documents`, an app that imports only documents; `nothing`, an
# app that uses no client.
ENTRIES: Final = ("index", "auth/index", "data/index", "functions/index")
APPS: Final = {
    "whole": 'export * from "bunbase-js";',
    "documents": """\
import { createData } from "bunbase-js/data";
const [url, key] = process.argv.slice(2);
const posts = createData(url, key).collection("posts");
posts.create({}).catch((problem) => console.log(problem.code));
""",
    "nothing": 'import { Problem } from "bunbase-js";\nconsole.log(Problem);',
}
ONLY_IN_AUTH: Final = b"/login/passkey"
ONLY_IN_FUNCTIONS: Final = b"It leads out of the function."
MORE_THAN_ESBUILD: Final = (
    1.03  # Measured values are at most 1.01 (Rollup), and less where the later module is compressed with the rest.
)

pytestmark = pytest.mark.skipif(os.environ.get("BUNBASE_SDK") != "1", reason="make sdk installs what this needs")


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an app that has installed the packed client."""
    app = tmp_path_factory.mktemp("app")
    unpacked_client(packed_client(tmp_path_factory.mktemp("packed")), app)
    (app / "package.json").write_text('{"type": "module"}')
    for entry in ENTRIES:
        (app / entry).parent.mkdir(exist_ok=True)
        name = "bunbase-js" if entry == "index" else f"bunbase-js/{entry.removesuffix('/index')}"
        (app / f"{entry}.js").write_text(f'export * from "{name}";')
    for name, source in APPS.items():
        (app / f"{name}.js").write_text(source)
    return app


@pytest.mark.parametrize("bundler", BUNDLERS)
def test_a_bundled_client_does_its_work(bundler: str, app: Path, site: Site, tmp_path: Path) -> None:
    _bundle(bundler, app, tmp_path, *ENTRIES)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    assert run_program(["node"], "journey", tmp_path, site.environment) == {}


@pytest.mark.parametrize("bundler", BUNDLERS)
def test_a_bundle_has_only_the_parts_that_the_app_imports(bundler: str, app: Path, site: Site, tmp_path: Path) -> None:
    whole, documents, nothing = (_bundle(bundler, app, tmp_path / name, name) for name in APPS)

    assert [part in whole for part in (ONLY_IN_AUTH, ONLY_IN_FUNCTIONS)] == [True, True]
    assert [part in documents for part in (ONLY_IN_AUTH, ONLY_IN_FUNCTIONS)] == [False, False]
    assert (
        len(nothing) < 600 or bundler == "esbuild"
    )  # which makes a file of the later module, also if nothing loads it
    assert (tmp_path / "nothing/nothing.js").stat().st_size < 600
    assert len(gzip.compress(whole, 9)) <= (BYTES["index"] + LATER_BYTES) * MORE_THAN_ESBUILD
    assert len(gzip.compress(documents, 9)) <= BYTES["data/index"] * MORE_THAN_ESBUILD
    ran = subprocess.run(
        ["node", tmp_path / "documents/documents.js", site.url, site.key],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.stdout, ran.stderr) == ("rule_denied\n", "")


def _bundle(bundler: str, app: Path, out: Path, *names: str) -> bytes:
    """Bundle modules of the app into `out`. Return the bytes of all files there."""
    out.mkdir(exist_ok=True)
    (out / "package.json").write_text('{"type": "module"}')
    command: list[str | Path] = ["node", PROGRAMS / "bundle.mjs", bundler, app, out, RUNTIMES]
    ran = subprocess.run(
        [*command, msgspec.json.encode(names).decode()], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return b"".join([path.read_bytes() for path in sorted(out.rglob("*.js"))])
