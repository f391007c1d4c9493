"""The same programs run in Node and in Bun, against one running BunBase."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.sdk_admin.sites import PROGRAMS, AdminSite
from tests.sdk_js.fault_proxy import FaultProxy
from tests.sdk_js.sites import BUN, run_program

COMMANDS: Final[dict[str, list[str | Path]]] = {"node": ["node"], "bun": [BUN]}


@pytest.mark.parametrize(("runtime", "credential"), [("node", "key"), ("node", "service"), ("bun", "key")])
def test_a_server_does_its_work_and_its_process_ends_by_itself(
    runtime: str, credential: str, site: AdminSite, folder: Path
) -> None:
    environment = site.environment | {"credential": credential}

    failed = run_program(COMMANDS[runtime], "journey", folder, environment, PROGRAMS)
    assert failed == {}, "\n".join(f"{claim}: {error}" for claim, error in failed.items())


@pytest.mark.parametrize("program", ["members", "accounts", "streams"])
def test_members_deploy_accounts_renew_their_tokens_and_lines_are_sent_in_parts(
    program: str, site: AdminSite, proxy: FaultProxy, folder: Path
) -> None:
    environment = site.environment | {"proxy": proxy.url, "lines": "4200"}

    failed = run_program(["node"], program, folder, environment, PROGRAMS)

    assert failed == {}, "\n".join(f"{claim}: {error}" for claim, error in failed.items())
