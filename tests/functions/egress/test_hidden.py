"""Attacks that try to read hidden variables through requests and their errors."""

from __future__ import annotations

import pytest

from bunbase.functions.egress.secrets import fill_in
from bunbase.functions.service import FunctionsService
from tests.functions.calls import MEMBER
from tests.functions.egress.site import Site
from tests.functions.egress.test_fetch import at, deploy_fetch, fetch


async def test_an_error_about_a_header_never_shows_the_filled_in_value(functions: FunctionsService, net: Site) -> None:
    await functions.set_variable(MEMBER, "API_KEY", "sk_hidden", exposed=False)
    await functions.set_variable(MEMBER, "EMPTY", "")
    await functions.set_variable(MEMBER, "FORM_FEED", "a\x0cb", exposed=False)
    await deploy_fetch(functions, net)

    for value in ("{{API_KEY}} {{EMPTY}}", "{{EMPTY}}\t{{API_KEY}}", "{{API_KEY}}{{FORM_FEED}}"):
        got = await fetch(functions, at(net, "/"), headers={"x-key": value})
        assert "sk_hidden" not in got.get("message", ""), value


@pytest.mark.parametrize("value", ["{{KEY}} {{EMPTY}}", "{{EMPTY}}\t{{KEY}}", " {{KEY}} "])
def test_blanks_around_a_filled_in_value_are_removed(value: str) -> None:
    assert fill_in(value, {"KEY": "sk", "EMPTY": ""}) == "sk"


async def test_variables_filled_in_many_times_do_not_use_up_the_memory_of_the_host(
    functions: FunctionsService, net: Site
) -> None:
    await functions.set_variable(MEMBER, "A", "x" * (32 << 10))
    await deploy_fetch(functions, net)

    for headers in ({"a": "{{A}}" * 5000}, {f"x-{number}": "{{A}}" for number in range(100)}):
        assert (await fetch(functions, at(net, "/"), headers=headers))["code"] == "invalid_fetch"
    assert net.seen == []
