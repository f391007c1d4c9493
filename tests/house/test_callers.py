"""The table MAY_CALL lists every method of every room, and allows exactly the calls that the code makes."""

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
from bunbase.pkg.rpc.wire import calls_of
from tests.house.contract_calls import METHODS, calls_in_the_code

BY_NAME = {module.name: module for module in MODULES}


def test_every_method_of_every_room_is_in_the_table_of_callers() -> None:
    """Other processes cannot call a new method until the table names its callers."""
    rows = {
        f"{room}.{name}" for room, callers in MAY_CALL.items() for names in callers.values() for name in names.split()
    }

    assert rows ^ {f"{room}.{name}" for room, names in METHODS.items() for name in names} == set(), "house/callers.py"
    for callers in MAY_CALL.values():
        assert not set(callers.get(NOBODY, "").split()) & {
            name for caller, names in callers.items() if caller != NOBODY for name in names.split()
        }


def test_the_table_allows_exactly_the_calls_that_the_code_makes() -> None:
    """An attacker who controls a room can call only the methods that the room itself calls."""
    allowed = {
        (caller, room, name)
        for room, callers in CALLERS.items()
        for caller, names in callers.items()
        for name in names
        if caller != CLIENTS
    }

    made = {(caller, room, name) for (caller, room), names in calls_in_the_code().items() for name in names}

    assert allowed - made == set(), "house/callers.py allows calls that no code makes"
    assert made - allowed == set(), "house/callers.py does not allow these calls"


def test_a_room_calls_only_the_rooms_that_it_declares_as_needed() -> None:
    for room, callers in CALLERS.items():
        for caller in callers.keys() - {GATEWAY, CLIENTS}:
            assert BY_NAME[room].provides in BY_NAME[caller].callees


def test_a_call_that_waits_for_changes_never_delays_the_stop_of_a_server() -> None:
    """A call with `wait_seconds` waits up to 30 seconds. A stopping server ends only those that are marked."""
    waiting = {
        f"{module.name}.{call.name}": call.waits
        for module in MODULES
        for call in calls_of(module.provides)
        if "wait_seconds" in call.arguments.__struct_fields__
    }

    assert {name for name, is_marked in waiting.items() if not is_marked} == set(), "mark it with waits_for_news"
    assert waiting.keys() >= {"bundoc.changes", "storage.changes"}


def test_bunkms_has_a_rule_for_the_arguments_of_each_calling_room() -> None:
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
def test_bunkms_serves_a_room_only_for_its_own_owners_and_contexts(
    caller: str, method: str, arguments: Mapping[str, Any], allowed: bool
) -> None:
    """An attacker who controls a process of functions can decrypt only the variables of functions."""
    house = House(scopes={module.name: module.scope for module in MODULES if module.scope is not None})
    admit = house.dispatcher().admit
    assert admit is not None

    if allowed:
        admit(Passport(caller, "bunkms"), f"bunkms.{method}", arguments)
        return
    with pytest.raises(Forbidden):
        admit(Passport(caller, "bunkms"), f"bunkms.{method}", arguments)
