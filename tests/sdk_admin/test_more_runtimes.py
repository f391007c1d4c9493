"""The client in Deno and in workerd, long imports, and the package as npm would publish it. `make sdk` installs what
this needs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.sdk_admin.sites import ADMIN, PROGRAMS, AdminSite
from tests.sdk_js.fault_proxy import FaultProxy
from tests.sdk_js.sites import BUN, ROOT, SDK, failures, run_program
from tests.sdk_js.test_more_runtimes import BIN, RUNTIMES

pytestmark = pytest.mark.skipif(os.environ.get("BUNBASE_SDK") != "1", reason="make sdk installs what this needs")

DENO: Final[list[str | Path]] = [BIN / "deno", "run", "--no-config", "--allow-all"]
APP: Final = """
import { createAdmin, Problem } from "bunbase-admin";
import { Problem as Same } from "bunbase-js";
console.log(Problem === Same, typeof createAdmin("http://127.0.0.1:1", "sk_1").webhooks.verify);
"""
TYPED: Final = """
import { createAdmin, type ManagedUser } from "bunbase-admin";
const admin = createAdmin("http://127.0.0.1:1", "sk_1");
export const user: Promise<ManagedUser> = admin.users.get("usr_1");
export const posts = admin.as(null).data.collection("posts").query({ limit: 1 });
// @ts-expect-error: there is no such mode
admin.import("", { mode: "merge" });
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build and pack both packages, and install them in the same way as npm. Return the folder of an app."""
    app = tmp_path_factory.mktemp("app")
    for package in (SDK, ADMIN):
        subprocess.run(["npm", "pack", "--silent", "--pack-destination", app], check=True, cwd=package, timeout=180)
        (archive,) = app.glob(f"bunbase-{package.name}-*.tgz")
        installed = app / f"node_modules/bunbase-{package.name}"
        installed.mkdir(parents=True)
        subprocess.run(["tar", "xzf", archive, "-C", installed, "--strip-components=1"], check=True)
    return app


def test_a_server_does_its_work_in_deno_and_the_process_ends_by_itself(site: AdminSite, folder: Path) -> None:
    assert run_program(DENO, "journey", folder, site.environment, PROGRAMS) == {}


def test_a_server_does_its_work_in_workerd(site: AdminSite, folder: Path) -> None:
    environment = msgspec.json.encode(site.environment).decode()
    command: list[str | Path] = ["node", PROGRAMS / "in_workerd.mjs", folder, environment, RUNTIMES]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)

    assert ran.returncode == 0, ran.stderr
    assert failures("journey", msgspec.json.decode(ran.stdout.splitlines()[-1]), PROGRAMS) == {}


@pytest.mark.parametrize(("runtime", "program"), [("bun", "accounts"), ("bun", "members"), ("deno", "members")])
def test_accounts_and_members_do_their_work_in_other_runtimes(
    runtime: str, program: str, site: AdminSite, proxy: FaultProxy, folder: Path
) -> None:
    command: list[str | Path] = DENO if runtime == "deno" else [BUN]

    assert run_program(command, program, folder, site.environment | {"proxy": proxy.url}, PROGRAMS) == {}


@pytest.mark.timeout(700)
def test_exports_and_imports_of_50000_lines_need_little_memory(site: AdminSite, folder: Path) -> None:
    environment = site.environment | {"lines": "50000"}

    assert run_program(["node", "--expose-gc"], "streams", folder, environment, PROGRAMS, seconds=600) == {}


def test_the_package_is_accepted_by_the_checkers_of_packages(packed: Path) -> None:
    (archive,) = packed.glob("bunbase-admin-*.tgz")
    checkers: list[list[str | Path]] = [
        [BIN / "publint", "run", "--strict", archive],
        [BIN / "attw", archive, "--profile", "esm-only"],
    ]
    for command in checkers:
        ran = subprocess.run(command, capture_output=True, text=True, cwd=ADMIN)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_packed_client_is_imported_with_its_types_and_shares_the_problem_of_bunbase_js(packed: Path) -> None:
    (packed / "app.mjs").write_text(APP)
    (packed / "typed.ts").write_text(TYPED)
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--lib", "esnext,dom"]

    ran = subprocess.run(["node", "app.mjs"], cwd=packed, capture_output=True, text=True, check=True)
    typed = subprocess.run(
        [ROOT / "node_modules/.bin/tsc", *options, "typed.ts"], cwd=packed, capture_output=True, text=True
    )

    assert ran.stdout.split() == ["true", "function"]
    assert typed.returncode == 0, typed.stdout
