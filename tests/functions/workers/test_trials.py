"""Each deployment waits for a turn to be tried.

One project's deployments do not delay the deployments of other projects.
"""

from __future__ import annotations

import asyncio

import pytest

from bunbase.contracts.functions.problems import FunctionOverloaded
from bunbase.functions.service import FunctionsService
from bunbase.functions.workers.trials import MAX_OF_PROJECT
from tests.functions.calls import MEMBER, PROJECT, bundle, until
from tests.rooms import member_caller

ENDLESS = "(() => { for (;;); })()"


async def test_bundles_that_load_forever_delay_only_their_own_project(functions: FunctionsService) -> None:
    trials = functions.starter.trials
    endless = [asyncio.create_task(functions.deploy(MEMBER, "endless", bundle(ENDLESS))) for _ in range(MAX_OF_PROJECT)]
    await until(lambda: trials.of_project[PROJECT] == MAX_OF_PROJECT)

    await functions.deploy(member_caller("prj_other"), "good", bundle("() => 1"))
    with pytest.raises(FunctionOverloaded):
        await functions.deploy(MEMBER, "good", bundle("() => 1"))

    assert not any(one.done() for one in endless)
    for one in endless:
        one.cancel()
    await asyncio.gather(*endless, return_exceptions=True)
    assert (trials.of_project, trials.turns) == ({}, {})
    await functions.deploy(MEMBER, "good", bundle("() => 1"))
