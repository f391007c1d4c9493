"""The same programs run in Node and in Bun, against one running BunBase."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.sdk_admin.sites import ADMIN, PROGRAMS, AdminSite
from tests.sdk_js.fault_proxy import FaultProxy
from tests.sdk_js.sites import BUN, ROOT, run_program
from tests.sdk_js.test_runtimes import README

COMMANDS: Final[dict[str, list[str | Path]]] = {"node": ["node"], "bun": [BUN]}


@pytest.mark.parametrize(("runtime", "credential"), [("node", "key"), ("node", "service"), ("bun", "key")])
def test_a_server_does_its_work_and_its_process_ends_by_itself(
    runtime: str, credential: str, site: AdminSite, folder: Path
) -> None:
    environment = site.environment | {"credential": credential}

    failed = run_program(COMMANDS[runtime], "journey", folder, environment, PROGRAMS)
    assert failed == {}, "\n".join(f"{claim}: {error}" for claim, error in failed.items())


@pytest.mark.parametrize(("runtime", "credential"), [("node", "service"), ("node", "personal"), ("bun", "key")])
def test_a_server_follows_live_queries_and_channels(
    runtime: str, credential: str, site: AdminSite, folder: Path
) -> None:
    environment = site.environment | {"credential": credential}

    failed = run_program(COMMANDS[runtime], "live", folder, environment, PROGRAMS)

    assert failed == {}, "\n".join(f"{claim}: {error}" for claim, error in failed.items())


@pytest.mark.parametrize("program", ["members", "accounts", "streams"])
def test_members_deploy_accounts_renew_their_tokens_and_lines_are_sent_in_parts(
    program: str, site: AdminSite, proxy: FaultProxy, folder: Path
) -> None:
    environment = site.environment | {"proxy": proxy.url, "lines": "4200"}

    failed = run_program(["node"], program, folder, environment, PROGRAMS)

    assert failed == {}, "\n".join(f"{claim}: {error}" for claim, error in failed.items())


def test_the_lines_of_the_readme_and_of_the_guide_run_one_block_after_the_other(site: AdminSite, folder: Path) -> None:
    known = {
        "BUNBASE_URL": site.url,
        "SECRET_KEY": site.environment["secret"],
        "PERSONAL_TOKEN": site.environment["personal"],
        "PROJECT": site.environment["project"],
        '"bunbase-admin"': "./admin.js",
        '"hello"': "echo",
    }
    for page, word in ((ADMIN / "README.md", "readme"), (ROOT / "docs/javascript-admin.md", "guide")):
        blocks = README.findall(page.read_text("utf-8"))
        lines = "\n".join(blocks).replace("eve@", f"{word}@").replace('"posts"', f'"{word}_posts"')
        for name, value in known.items():
            lines = re.sub(rf"(?<![\w`]){name}(?![\w`])", f'"{value}"', lines)
        (folder / f"{word}.mjs").write_text(lines)

        said = subprocess.run(["node", f"{word}.mjs"], cwd=folder, capture_output=True, text=True, timeout=60)

        assert said.returncode == 0, said.stderr
        shown = said.stdout.splitlines()
        if word == "readme":
            assert shown == ["Hello"]
        else:
            assert len(blocks) == 14
            assert '[ "Eve\'s" ]' in shown
            assert "rule_denied" in shown
            assert "rye,450" in shown
            assert "greeting called" in shown
            assert shown[-1] == "true true"
