"""The client in Deno and in workerd, and the package as npm would publish it. `make sdk` installs what this needs."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.sdk_js.packages import packed_client, unpacked_client
from tests.sdk_js.sites import ENTRIES, PROGRAMS, ROOT, SDK, Site, failures, run_program

RUNTIMES: Final = Path(__file__).parent / "runtimes"
BIN: Final = RUNTIMES / "node_modules/.bin"

NAMES: Final = tuple(
    [
        f"bunbase-js/{entry.removesuffix('/index')}".removesuffix("/index")
        for entry in ENTRIES
        if entry != "react/index"  # This entry needs React.
    ]
)

pytestmark = pytest.mark.skipif(os.environ.get("BUNBASE_SDK") != "1", reason="make sdk installs what this needs")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packed_client(tmp_path_factory.mktemp("packed"))


def test_an_app_does_its_work_in_deno_and_the_process_ends_by_itself(site: Site, folder: Path) -> None:
    assert run_program([BIN / "deno", "run", "--no-config", "--allow-all"], "journey", folder, site.environment) == {}


def test_an_app_does_its_work_in_workerd_with_a_client_for_each_request(site: Site, folder: Path) -> None:
    environment = msgspec.json.encode(site.environment).decode()
    command: list[str | Path] = ["node", PROGRAMS / "in_workerd.mjs", "journey", folder, environment, RUNTIMES]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)

    assert ran.returncode == 0, ran.stderr
    assert failures("journey", msgspec.json.decode(ran.stdout.splitlines()[-1])) == {}


def test_the_package_is_accepted_by_the_checkers_of_packages(packed: Path) -> None:
    checkers: list[list[str | Path]] = [
        [BIN / "publint", "run", "--strict", packed],
        [BIN / "attw", packed, "--profile", "esm-only"],
    ]
    for command in checkers:
        ran = subprocess.run(command, capture_output=True, text=True, cwd=SDK)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_packed_entries_are_imported_by_name_and_their_maps_have_the_sources(packed: Path, tmp_path: Path) -> None:
    app = unpacked_client(packed, tmp_path)
    lines = [f"console.log(Object.keys(await import({json.dumps(name)})).length > 0);" for name in NAMES]
    (tmp_path / "app.mjs").write_text("\n".join(lines))

    ran = subprocess.run(["node", "app.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["true"] * len(NAMES)
    for path in app.glob("dist/**/*.js.map"):
        source = msgspec.json.decode(path.read_bytes())["sources"][0]
        assert (path.parent / source).resolve().is_file(), path


@pytest.mark.parametrize(
    ("lib", "lines"),
    [
        ("es2022,dom", "client.close();"),
        ("esnext,dom", "{ using ending = client; void ending; }"),
    ],
)
def test_an_app_with_an_older_lib_compiles_without_skip_lib_check(
    packed: Path, tmp_path: Path, lib: str, lines: str
) -> None:
    unpacked_client(packed, tmp_path)
    entries = [name for name in NAMES if name != "bunbase-js"]
    imports = "".join(f"import * as e{at} from {json.dumps(name)};\nvoid e{at};\n" for at, name in enumerate(entries))
    made = 'import { createClient } from "bunbase-js";\nconst client = createClient("http://h", "pk_1");\n'
    (tmp_path / "app.ts").write_text(f"{imports}{made}{lines}\n")
    options = {"strict": True, "noEmit": True, "module": "esnext", "moduleResolution": "bundler", "types": []}
    options |= {"target": "es2022", "lib": lib.split(",")}
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["app.ts"]}))

    command: list[str | Path] = [ROOT / "node_modules/.bin/tsc", "-p", tmp_path]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_packed_entries_are_the_same_modules_for_require_and_for_import(packed: Path, tmp_path: Path) -> None:
    unpacked_client(packed, tmp_path)
    lines = [f"console.log(require({json.dumps(name)}) === (await import({json.dumps(name)})));" for name in NAMES]
    (tmp_path / "app.cjs").write_text("(async () => {\n" + "\n".join(lines) + "\n})();")

    ran = subprocess.run(["node", "--throw-deprecation", "app.cjs"], cwd=tmp_path, capture_output=True, text=True)

    assert (ran.stdout.split(), ran.stderr) == (["true"] * len(NAMES), "")
