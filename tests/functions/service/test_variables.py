from __future__ import annotations

import asyncpg
import msgspec
import pytest

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Developer, Role
from bunbase.contracts.functions.problems import VariableNotFound
from bunbase.functions.service import FunctionsService
from bunbase.functions.settings import FunctionsSettings
from bunbase.pkg.errors import Forbidden, InvalidInput
from bunbase.pkg.modules import Rooms
from tests.functions.calls import MEMBER, PROJECT, SERVER, call, deploy
from tests.rooms import member_caller

MARKER = "a-value-that-must-not-lie-around"
READ = "(req, ctx) => [ctx.env.TOKEN ?? null, process.env.TOKEN ?? null]"


@pytest.fixture
def settings() -> FunctionsSettings:
    return FunctionsSettings(max_variables_per_project=3)


async def test_a_changed_variable_is_seen_by_the_next_call_without_a_deployment(functions: FunctionsService) -> None:
    await deploy(functions, "f", READ)
    assert (await call(functions, "f")).json == [None, None]

    await functions.set_variable(MEMBER, "TOKEN", "one")
    assert (await call(functions, "f")).json == ["one", "one"]
    await functions.set_variable(MEMBER, "TOKEN", "two\n✓")
    assert (await call(functions, "f")).json == ["two\n✓", "two\n✓"]
    await functions.delete_variable(MEMBER, "TOKEN")
    assert (await call(functions, "f")).json == [None, None]


async def test_values_are_stored_sealed_and_bound_to_their_name(
    functions: FunctionsService, rooms: Rooms, database_url: str
) -> None:
    await deploy(functions, "f", READ)
    await functions.set_variable(MEMBER, "TOKEN", MARKER)
    await call(functions, "f")

    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'functions'"
        )
        for row in rows:
            dump = await connection.fetchval(f"SELECT string_agg(t::text, ' ') FROM functions.{row['name']} t")
            assert MARKER not in (dump or "")
            assert MARKER.encode().hex() not in (dump or "")
        sealed = await connection.fetchval("SELECT sealed FROM functions.variables")
    finally:
        await connection.close()
    assert await rooms[Kms].unseal(PROJECT, "functions/variable/TOKEN", sealed) == MARKER.encode()


async def test_variable_names_are_listed_but_values_are_revealed_only_to_admins(functions: FunctionsService) -> None:
    await functions.set_variable(MEMBER, "B", "two")
    await functions.set_variable(MEMBER, "A", "one")

    named = await functions.variables(member_caller(PROJECT, Role.DEVELOPER), False)
    revealed = await functions.variables(member_caller(PROJECT, Role.ADMIN), True)

    assert [(one.name, one.value) for one in named.items] == [("A", None), ("B", None)]
    assert [(one.name, one.value) for one in revealed.items] == [("A", "one"), ("B", "two")]
    for caller, reveal in (
        (member_caller(PROJECT, Role.DEVELOPER), True),
        (member_caller(PROJECT, Role.VIEWER), False),
    ):
        with pytest.raises(Forbidden):
            await functions.variables(caller, reveal)
    for caller in (SERVER, member_caller(PROJECT, Role.VIEWER)):
        with pytest.raises(Forbidden):
            await functions.set_variable(caller, "A", "three")
        with pytest.raises(Forbidden):
            await functions.delete_variable(caller, "A")


@pytest.mark.parametrize(
    ("role", "session", "scopes", "revealed"),
    [
        (Role.OWNER, "ses_ada", (), True),
        (Role.ADMIN, "", ("read", "secrets"), True),
        (Role.OWNER, "", ("secrets",), True),
        (Role.OWNER, "", ("read",), False),
        (Role.OWNER, "", ("read", "write"), False),
        (Role.OWNER, "", ("settings",), False),
        (Role.DEVELOPER, "", ("read", "write", "secrets"), False),  # a token has no more rights than its owner
    ],
)
async def test_a_token_reveals_values_only_with_the_scope_for_it(
    functions: FunctionsService, role: Role, session: str, scopes: tuple[str, ...], revealed: bool
) -> None:
    """A personal token that may read must not reveal secrets."""
    await functions.set_variable(MEMBER, "A", "one")
    developer = Developer("usr_ada", "ada@example.com", admin=False, session=session, scopes=scopes)
    caller = msgspec.structs.replace(member_caller(PROJECT, role), developer=developer)

    assert (await functions.variables(caller, False)).items[0].value is None
    if revealed:
        assert (await functions.variables(caller, True)).items[0].value == "one"
    else:
        with pytest.raises(Forbidden):
            await functions.variables(caller, True)


async def test_a_project_cannot_see_the_variables_of_another_project(functions: FunctionsService) -> None:
    await functions.set_variable(MEMBER, "TOKEN", "one")

    assert (await functions.variables(member_caller("prj_two"), True)).items == ()
    with pytest.raises(VariableNotFound):
        await functions.delete_variable(member_caller("prj_two"), "TOKEN")


@pytest.mark.parametrize(
    ("name", "value"),
    [("lower", "x"), ("1A", "x"), ("", "x"), ("A" * 65, "x"), ("A", "x" * ((32 << 10) + 1)), ("A", "a\0b")],
)
async def test_an_invalid_variable_is_refused(functions: FunctionsService, name: str, value: str) -> None:
    with pytest.raises(InvalidInput):
        await functions.set_variable(MEMBER, name, value)


async def test_the_number_of_variables_of_a_project_is_bounded(functions: FunctionsService) -> None:
    for name in ("A", "B", "C", "A"):
        await functions.set_variable(MEMBER, name, "x")

    with pytest.raises(InvalidInput, match="3 variables"):
        await functions.set_variable(MEMBER, "D", "x")
