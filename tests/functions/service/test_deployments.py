from __future__ import annotations

import subprocess
from pathlib import Path

import asyncpg
import pytest

from bunbase.contracts.bundoc.collections import BeforeWrite, Collection
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.contracts.functions.problems import FunctionIsHook, FunctionNotFound, InvalidBundle, VersionNotFound
from bunbase.functions.service import FunctionsService
from bunbase.pkg.bun import find_bun
from bunbase.pkg.errors import Forbidden, InvalidInput, TooLarge
from tests.functions.calls import MEMBER, PROJECT, SERVER, bundle, call, deploy, returning
from tests.rooms import member_caller

TYPESCRIPT = """
type Answer = { greeting: string };
export default async (req: Request): Promise<Answer> => ({ greeting: `hello ${new URL(req.url).pathname}` });
"""


@pytest.fixture
def functions(shared_functions: FunctionsService) -> FunctionsService:
    return shared_functions


async def test_a_bundle_built_by_bun_runs(functions: FunctionsService, tmp_path: Path) -> None:
    (tmp_path / "hello.ts").write_text(TYPESCRIPT)
    build = [str(find_bun()), "build", "--target=bun", "--format=cjs", "hello.ts"]
    code = subprocess.run(build, cwd=tmp_path, check=True, capture_output=True, timeout=30).stdout

    version = await functions.deploy(MEMBER, "hello", Bundle(code, None, FunctionConfig()))
    answer = await call(functions, "hello")

    assert (version.version, version.active, version.size) == (1, True, len(code))
    assert answer.json == {"greeting": "hello /"}


async def test_deploying_the_same_code_again_creates_a_new_version(functions: FunctionsService) -> None:
    await deploy(functions, "hello", returning("one"))

    again = await deploy(functions, "hello", returning("one"))

    assert again.version == 2
    assert (await call(functions, "hello")).head.version == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (b"export default (", "SyntaxError"),
        (b"const x = 1;", "no default export"),
        (b"throw new Error('not today')", "not today"),
        (b"process.exit(3)", "died while loading"),
        (b"require('left-pad')", "Module not found: left-pad"),
        (b"\xff\xfe", "UTF-8"),
        (b"  \n", "empty"),
    ],
)
async def test_a_broken_bundle_never_replaces_a_working_version(
    functions: FunctionsService, code: bytes, message: str
) -> None:
    await deploy(functions, "hello", returning("works"))

    with pytest.raises(InvalidBundle, match=message):
        await functions.deploy(MEMBER, "hello", Bundle(code, None, FunctionConfig()))

    assert (await call(functions, "hello")).body == b"works"
    assert [version.version for version in (await functions.versions(MEMBER, "hello", 10, None)).items] == [1]


async def test_rolling_back_runs_the_older_version_at_once(functions: FunctionsService) -> None:
    for text in ("one", "two", "three"):
        await deploy(functions, "hello", returning(text))

    before = await functions.rollback(MEMBER, "hello", None)
    assert (before.version, (await call(functions, "hello")).body) == (2, b"two")
    named = await functions.rollback(MEMBER, "hello", 1)
    assert (named.version, (await call(functions, "hello")).body) == (1, b"one")

    with pytest.raises(VersionNotFound):
        await functions.rollback(MEMBER, "hello", None)
    with pytest.raises(VersionNotFound):
        await functions.rollback(MEMBER, "hello", 9)


async def test_versions_are_listed_newest_first_in_pages(functions: FunctionsService) -> None:
    for text in ("one", "two", "three"):
        await deploy(functions, "hello", returning(text))

    first = await functions.versions(MEMBER, "hello", 2, None)
    second = await functions.versions(MEMBER, "hello", 2, first.next)

    assert [(one.version, one.active) for one in (*first.items, *second.items)] == [(3, True), (2, False), (1, False)]
    assert second.next is None


async def test_old_versions_are_deleted_but_never_the_active_one(
    own_functions: FunctionsService, database_url: str
) -> None:
    await deploy(own_functions, "hello", returning("first"))
    await deploy(own_functions, "hello", returning("second"))
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            """INSERT INTO functions.versions SELECT project, name, n, bundle, source_map, config, sha256, size,
            created_at, created_by FROM functions.versions, generate_series(3, 60) n WHERE version = 2"""
        )
    finally:
        await connection.close()
    await own_functions.rollback(MEMBER, "hello", 1)

    newest = await deploy(own_functions, "hello", returning("newest"))

    kept = [one.version for one in (await own_functions.versions(MEMBER, "hello", 500, None)).items]
    assert newest.version == 61
    assert kept == list(range(61, 11, -1))


async def test_functions_are_listed_by_name_in_pages(functions: FunctionsService) -> None:
    for name in ("b", "a", "c"):
        await deploy(functions, name, returning(name))

    first = await functions.functions(MEMBER, 2, None)
    second = await functions.functions(MEMBER, 2, first.next)

    assert [one.name for one in first.items] == ["a", "b"]
    assert [one.name for one in second.items] == ["c"]


async def test_a_deleted_function_cannot_be_read_or_called(functions: FunctionsService) -> None:
    await deploy(functions, "hello", returning("one"))
    await call(functions, "hello")

    await functions.delete_function(MEMBER, "hello")

    with pytest.raises(FunctionNotFound):
        await call(functions, "hello")
    with pytest.raises(FunctionNotFound):
        await functions.function(MEMBER, "hello")
    with pytest.raises(FunctionNotFound):
        await functions.delete_function(MEMBER, "hello")


async def test_a_function_that_is_a_hook_of_the_project_is_not_deleted(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hooks(_project: str, function: str) -> tuple[str, ...]:
        return ("before_signup",) if function == "gate" else ()

    monkeypatch.setattr(functions.deletion.users, "hooks_of_function", hooks)
    await deploy(functions, "gate", returning("one"))

    with pytest.raises(FunctionIsHook, match="before_signup"):
        await functions.delete_function(MEMBER, "gate")

    assert (await functions.function(MEMBER, "gate")).version == 1


async def test_a_function_that_is_asked_before_writes_is_not_deleted(
    functions: FunctionsService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def collections(_caller: Caller) -> tuple[Collection, ...]:
        return (Collection("posts", "", before_write=BeforeWrite("check")), Collection("others", ""))

    await deploy(functions, "check", returning("one"))
    await deploy(functions, "free", returning("one"))
    monkeypatch.setattr(functions.deletion.bundoc, "collections", collections)

    with pytest.raises(FunctionIsHook, match="posts"):
        await functions.delete_function(MEMBER, "check")
    await functions.delete_function(MEMBER, "free")

    assert (await functions.function(MEMBER, "check")).version == 1


@pytest.mark.parametrize("name", ["", "Hello", "1st", "a_b", "a" * 64, "../x", "é"])
async def test_names_that_cannot_be_part_of_a_url_are_refused(functions: FunctionsService, name: str) -> None:
    with pytest.raises(InvalidInput):
        await deploy(functions, name, returning("one"))


async def test_a_bundle_has_a_size_limit(functions: FunctionsService) -> None:
    with pytest.raises(TooLarge):
        await functions.deploy(MEMBER, "hello", Bundle(b" " * ((20 << 20) + 1), None, FunctionConfig()))


async def test_roles_decide_who_may_deploy(functions: FunctionsService) -> None:
    viewer, developer = (member_caller(PROJECT, role) for role in (Role.VIEWER, Role.DEVELOPER))
    await functions.deploy(developer, "hello", bundle(returning("one")))

    for refused in (viewer, SERVER):
        with pytest.raises(Forbidden):
            await functions.deploy(refused, "hello", bundle(returning("two")))
        with pytest.raises(Forbidden):
            await functions.rollback(refused, "hello", 1)
        with pytest.raises(Forbidden):
            await functions.delete_function(refused, "hello")
    with pytest.raises(Forbidden):
        await functions.functions(SERVER, 20, None)
    assert (await functions.function(viewer, "hello")).version == 1


async def test_a_project_can_neither_see_nor_call_functions_of_another_project(functions: FunctionsService) -> None:
    await deploy(functions, "hello", returning("one"))
    stranger = member_caller("prj_two")

    assert (await functions.functions(stranger, 20, None)).items == ()
    with pytest.raises(FunctionNotFound):
        await functions.function(stranger, "hello")
    with pytest.raises(FunctionNotFound):
        await functions.logs(stranger, "hello", 20, None, None)
    with pytest.raises(FunctionNotFound):
        await call(functions, "hello", caller=stranger)
    with pytest.raises(FunctionNotFound):
        await functions.delete_function(stranger, "hello")


async def test_a_dropped_project_leaves_no_rows_behind(own_functions: FunctionsService, database_url: str) -> None:
    await deploy(own_functions, "hello", "() => { console.log('x'); return 1 }")
    await own_functions.set_variable(MEMBER, "TOKEN", "secret")
    await call(own_functions, "hello")

    await own_functions.drop_project(PROJECT)
    await own_functions.drop_project(PROJECT)

    with pytest.raises(FunctionNotFound):
        await call(own_functions, "hello")
    assert not own_functions.starter.alive
    connection = await asyncpg.connect(database_url)
    try:
        for table in ("functions", "versions", "variables", "environments", "logs"):
            assert await connection.fetchval(f"SELECT count(*) FROM functions.{table}") == 0
    finally:
        await connection.close()
