"""The table of who may call what is complete, allows what the code does, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bunbase.bunkms.scopes import SCOPES
from bunbase.contracts.bunkms import INSTANCE, Mac
from bunbase.house.build import House
from bunbase.house.callers import CALLERS, MAY_CALL, NOBODY
from bunbase.house.modules import GATEWAY, MODULES
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.rpc.admission import CLIENTS
from bunbase.pkg.rpc.tokens import Passport
from tests.house.contract_calls import METHODS, calls_in_the_code

BY_NAME = {module.name: module for module in MODULES}


def test_every_method_of_every_room_has_its_row() -> None:
    """Security 9: a new method is refused from afar until somebody decides who may call it."""
    rows = {room: {name for names in callers.values() for name in names.split()} for room, callers in MAY_CALL.items()}

    assert rows == {room: set(methods) for room, methods in METHODS.items()}
    for callers in MAY_CALL.values():
        assert not set(callers.get(NOBODY, "").split()) & {
            name for caller, names in callers.items() if caller != NOBODY for name in names.split()
        }


def test_the_table_holds_the_calls_of_the_code_and_no_others() -> None:
    """Security 9: what a room does not call, nobody who took it over may call either."""
    allowed = {
        (caller, room): set(names)
        for room, callers in CALLERS.items()
        for caller, names in callers.items()
        if caller != CLIENTS
    }

    assert allowed == calls_in_the_code()


def test_a_room_calls_only_those_that_it_says_it_needs() -> None:
    for room, callers in CALLERS.items():
        for caller in callers.keys() - {GATEWAY, CLIENTS}:
            assert BY_NAME[room].provides in BY_NAME[caller].needs


def test_bunkms_looks_at_the_arguments_of_each_room_that_calls_it() -> None:
    assert set(SCOPES) == set(CALLERS["bunkms"])


PROJECT = "prj_bakery"
OF_FUNCTIONS, OF_BUNAUTH, OF_BUNDOC = "functions/variable/MAIL_KEY", "bunauth:signing-key", f"bundoc/{PROJECT}"


@pytest.mark.parametrize(
    ("caller", "method", "arguments", "allowed"),
    [
        ("functions", "unseal", {"owner": PROJECT, "context": OF_FUNCTIONS}, True),
        ("functions", "unseal", {"owner": INSTANCE, "context": OF_FUNCTIONS}, False),
        ("functions", "unseal", {"owner": INSTANCE, "context": OF_BUNAUTH}, False),
        ("functions", "unseal", {"owner": PROJECT, "context": OF_BUNDOC}, False),
        ("functions", "unseal", {"owner": PROJECT, "context": ""}, False),
        ("functions", "unwrap_data_key", {"owner": PROJECT, "context": OF_BUNDOC}, False),
        ("functions", "sign", {"owner": PROJECT}, False),
        ("functions", "destroy", {"owner": PROJECT}, False),
        ("functions", "make_mac", {"owner": PROJECT, "context": OF_FUNCTIONS}, False),
        ("bunauth", "unseal", {"owner": INSTANCE, "context": OF_BUNAUTH}, True),
        ("bunauth", "unseal", {"owner": PROJECT, "context": OF_BUNAUTH}, False),
        ("bunauth", "create_keys", {"owner": INSTANCE}, True),
        ("bunauth", "create_keys", {"owner": PROJECT}, False),
        ("bundoc", "unwrap_data_key", {"owner": PROJECT, "context": OF_BUNDOC}, True),
        ("bundoc", "unwrap_data_key", {"owner": PROJECT, "context": OF_FUNCTIONS}, False),
        ("bundoc", "check_macs", {"owner": PROJECT, "macs": (Mac(OF_BUNDOC, b"", ""),)}, True),
        ("bundoc", "check_macs", {"owner": PROJECT, "macs": (Mac(OF_BUNDOC, b"", ""), Mac("x", b"", ""))}, False),
        ("bundoc", "unseal", {"owner": PROJECT, "context": OF_FUNCTIONS}, False),
        ("bundoc", "bind_directory", {"room": "bundoc", "directory": "dir_a", "replaces": ""}, True),
        ("bundoc", "bind_directory", {"room": "functions", "directory": "dir_a", "replaces": ""}, False),
        ("functions", "bind_directory", {"room": "bundoc", "directory": "dir_a", "replaces": ""}, False),
        ("tenant_auth", "sign", {"owner": PROJECT}, True),
        ("tenant_auth", "sign", {"owner": INSTANCE}, False),
        ("platform", "destroy", {"owner": PROJECT}, True),
        ("platform", "destroy", {"owner": INSTANCE}, False),
        ("gateway", "unseal", {"owner": PROJECT, "context": OF_FUNCTIONS}, False),
        ("bunkms", "rotate", {"owner": PROJECT}, False),
        ("", "create_keys", {"owner": PROJECT}, False),
    ],
)
def test_a_room_gets_from_bunkms_what_is_its_own(
    caller: str, method: str, arguments: Mapping[str, Any], allowed: bool
) -> None:
    """Security 9: a functions process that was taken over opens the variables of functions, and nothing else."""
    house = House(scopes={module.name: module.scope for module in MODULES if module.scope is not None})
    admit = house.dispatcher().admit
    assert admit is not None

    if allowed:
        admit(Passport(caller, "bunkms"), f"bunkms.{method}", arguments)
        return
    with pytest.raises(Forbidden):
        admit(Passport(caller, "bunkms"), f"bunkms.{method}", arguments)
