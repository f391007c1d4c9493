from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from bunbase.contracts.audit import ALL_ENTRIES, ActEnd, ActorKind, AuditedAct, AuditFilter, AuditOutcome
from bunbase.contracts.bunauth.activity import ActivityEntry, ActivityMethod, ActivityOutcome, UnauditedActivity
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller, CallerKind, Developer, Role
from bunbase.contracts.platform import OrganisationNotFound
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.cursors import InvalidCursor, encode_cursor
from bunbase.pkg.errors import Forbidden, Unreachable
from bunbase.pkg.modules import Site
from bunbase.platform.audit.activity import activity_job
from bunbase.platform.audit.retention import retention_job
from bunbase.platform.audit.service import FIRST
from bunbase.platform.audit.store import AuditStore, Log, page_statement
from bunbase.platform.module import MODULE
from bunbase.platform.service import PlatformService
from tests.cursors import parts_of
from tests.platform.fake_rooms import FakeRooms
from tests.platform.people import ADA, BOB, BOB_ID, EVE, at, joined
from tests.rooms import member_caller, opened, site

PROJECT, OTHER = "prj_bakery", "prj_library"
OWNER = member_caller(PROJECT)
ROOT = Caller(CallerKind.DEVELOPER, developer=Developer("usr_root", "root@example.com", admin=True, session="ses_r"))
SERVER = Caller(CallerKind.SECRET, project=PROJECT, key="key_ci", ip="127.0.0.1")
DONE = ActEnd(200)
FULL = [
    (Log(PROJECT), ALL_ENTRIES),
    (Log(PROJECT), AuditFilter(actor="usr_7")),
    (Log(PROJECT), AuditFilter(action="key.create")),
    (Log(PROJECT), AuditFilter(actor="usr_7", action="key.create")),
    (Log(PROJECT), AuditFilter(since=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 2, tzinfo=UTC))),
    (Log(), ALL_ENTRIES),
    (Log(), AuditFilter(actor="usr_7")),
    (Log(), AuditFilter(action="key.create")),
    (Log(), AuditFilter(actor="usr_7", action="key.create", since=datetime(2026, 1, 1, tzinfo=UTC))),
    (Log(org="org_guild"), ALL_ENTRIES),
    (Log(org="org_guild"), AuditFilter(actor="usr_7")),
    (Log(org="org_guild"), AuditFilter(action="project.transfer")),
]


def entries_of(platform: PlatformService) -> AuditStore:
    return platform.audit_log.store


async def begun(platform: PlatformService, action: str = "key.create", caller: Caller = OWNER) -> str:
    return await platform.begin_act(caller, AuditedAct(action, request_id="req_1"))


async def test_an_act_that_never_ended_is_shown_with_an_unknown_outcome(platform: PlatformService) -> None:
    id = await begun(platform)

    (entry,) = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items

    assert (entry.id, entry.action, entry.outcome, entry.status) == (id, "key.create", AuditOutcome.UNKNOWN, None)
    assert (entry.actor.kind, entry.actor.id, entry.actor.email) == (ActorKind.DEVELOPER, "usr_ada", "ada@example.com")
    assert (entry.actor.credential, entry.ip, entry.request_id) == ("ses_ada", "127.0.0.1", "req_1")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, AuditOutcome.DONE),
        (204, AuditOutcome.DONE),
        (401, AuditOutcome.CHALLENGED),
        (403, AuditOutcome.REFUSED),
        (409, AuditOutcome.FAILED),
        (500, AuditOutcome.FAILED),
    ],
)
async def test_the_status_of_the_answer_decides_the_outcome(
    platform: PlatformService, status: int, outcome: AuditOutcome
) -> None:
    id = await begun(platform)

    await platform.end_act(id, ActEnd(status, {"name": "ci"}, target="key_1"))

    (entry,) = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items
    assert (entry.outcome, entry.status, entry.after, entry.target) == (outcome, status, {"name": "ci"}, "key_1")


async def test_an_entry_gets_its_outcome_only_once(platform: PlatformService) -> None:
    id = await begun(platform)

    await asyncio.gather(*(platform.end_act(id, ActEnd(status)) for status in (201, 500)))
    first = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items
    await platform.end_act(id, ActEnd(403, {"name": "other"}))

    assert (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items == first


async def test_the_act_of_a_key_names_the_key(platform: PlatformService) -> None:
    await begun(platform, caller=SERVER)

    (entry,) = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items

    assert (entry.actor.kind, entry.actor.id, entry.actor.email) == (ActorKind.KEY, "key_ci", None)


async def test_a_new_project_reads_the_act_that_created_it(platform: PlatformService) -> None:
    id = await begun(platform, "project.create", ADA)

    await platform.end_act(id, ActEnd(201, {"name": "Bakery"}, target=PROJECT, project=PROJECT))

    (entry,) = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items
    assert (entry.target, entry.project) == (PROJECT, PROJECT)


async def test_refused_attempts_that_were_counted_are_one_entry(platform: PlatformService) -> None:
    await platform.note_refusals(OWNER, AuditedAct("key.create"), 1000)

    (entry,) = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items

    assert (entry.count, entry.outcome) == (1000, AuditOutcome.REFUSED)


async def test_an_act_on_a_key_shows_the_key_as_it_was(platform: PlatformService) -> None:
    made = await platform.create_project(ADA, "Bakery")
    key = made.keys[1]

    for action, target in (("key.delete", key.id), ("project.update", ""), ("key.delete", "key_un\0known")):
        await platform.begin_act(at(made), AuditedAct(action, target))

    unknown, project, revoked = (await platform.audit(at(made), ALL_ENTRIES, 20, None)).items
    assert revoked.before == {"kind": "secret", "name": "default", "hint": key.hint, "expires_at": None}
    assert (project.before, unknown.before) == ({"name": "Bakery"}, None)


async def test_an_act_on_a_member_keeps_the_address_and_one_on_a_stranger_does_not(
    platform: PlatformService, others: FakeRooms
) -> None:
    guild = await platform.create_org(ADA, "Guild")
    made = await platform.create_project(ADA, "Bakery", guild.id)
    await joined(platform, at(made), BOB, Role.VIEWER)
    await joined(platform, ADA, BOB, Role.DEVELOPER, guild.id)
    for target in (BOB_ID, "usr_eve"):
        await platform.begin_act(at(made), AuditedAct("member.remove", target))
        await platform.begin_act(ADA, AuditedAct("org_member.remove", target, org=guild.id))
    for who in (ADA, ROOT):
        await platform.begin_act(who, AuditedAct("account.reset_factors", BOB_ID))
    others.bunauth.deleted.add(BOB_ID)

    found = (await platform.installation_audit(ROOT, AuditFilter(), 20, None)).items
    before = {(one.action, one.target, one.actor.id): one.before for one in found if one.action != "org.create"}

    ada = ADA.signed_in().id
    assert before["member.remove", BOB_ID, ada] == {"role": "developer", "email": "bob@example.com"}
    assert before["org_member.remove", BOB_ID, ada] == {"role": "developer", "email": "bob@example.com"}
    assert before["account.reset_factors", BOB_ID, ROOT.signed_in().id] == {"email": "bob@example.com"}
    strangers = [before["member.remove", "usr_eve", ada], before["org_member.remove", "usr_eve", ada]]
    assert [*strangers, before["account.reset_factors", BOB_ID, ada]] == [None] * 3


async def test_large_values_are_left_out_and_long_texts_are_cut(platform: PlatformService) -> None:
    id = await platform.begin_act(OWNER, AuditedAct("x" * 300, "t" * 300, "r" * 300))

    await platform.end_act(id, ActEnd(200, {"name": "n" * 9000}))

    (entry,) = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items
    assert (len(entry.action), len(entry.target), len(entry.request_id)) == (256, 256, 256)
    assert entry.after == {"omitted": "the values are too large for the audit log"}


async def test_a_log_has_the_entries_of_its_project_and_no_others(platform: PlatformService) -> None:
    await begun(platform)
    await begun(platform, caller=member_caller(OTHER))
    await begun(platform, "account.update", ADA)

    mine = (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items
    all = (await platform.installation_audit(ROOT, ALL_ENTRIES, 20, None)).items

    assert [entry.project for entry in mine] == [PROJECT]
    assert [entry.project for entry in all] == ["", OTHER, PROJECT]


async def test_filters_find_acts_by_actor_action_and_time(platform: PlatformService, clock: ManualClock) -> None:
    start = clock.now()
    for action, caller in (("key.create", OWNER), ("key.create", SERVER), ("key.delete", OWNER)):
        await begun(platform, action, caller)
        clock.advance(60)

    async def found(**filter: object) -> list[tuple[str, str]]:
        page = await platform.audit(OWNER, msgspec.convert(filter, AuditFilter), 20, None)
        return [(entry.action, entry.actor.id) for entry in page.items]

    assert await found(actor="key_ci") == [("key.create", "key_ci")]
    assert await found(action="key.create") == [("key.create", "key_ci"), ("key.create", "usr_ada")]
    assert await found(actor="usr_ada", action="key.create") == [("key.create", "usr_ada")]
    assert await found(since=start + timedelta(seconds=60), until=start + timedelta(seconds=120)) == [
        ("key.create", "key_ci")
    ]


async def test_pages_continue_where_the_last_page_ended(platform: PlatformService) -> None:
    ids = [await begun(platform) for _ in range(5)]  # All entries have the same time.

    pages, cursor = [], None
    while True:
        page = await platform.audit(OWNER, ALL_ENTRIES, 2, cursor)
        pages.append([entry.id for entry in page.items])
        await begun(platform)  # A new entry does not change later pages.
        cursor = page.next
        if cursor is None or len(pages) == 3:
            break

    assert pages == [ids[4:2:-1], ids[2:0:-1], ids[:1]]
    first = (await platform.audit(OWNER, ALL_ENTRIES, 2, None)).next
    with pytest.raises(InvalidCursor):
        await platform.audit(member_caller(OTHER), ALL_ENTRIES, 2, first)
    with pytest.raises(InvalidCursor):
        await platform.audit(OWNER, AuditFilter(action="key.create"), 2, first)


@pytest.mark.parametrize(
    "position",
    [
        ("2026-01-01T00:00:00", "aud_1"),
        ("0001-01-01T00:00:00+14:00", "aud_1"),
        ("9999-12-31T23:59:59-14:00", "aud_1"),
        ("2026-01-01T00:00:00Z", "aud\0"),
    ],
)
async def test_a_forged_position_is_refused(platform: PlatformService, position: tuple[str, str]) -> None:
    for _ in range(2):
        await begun(platform)
    first = (await platform.audit(OWNER, ALL_ENTRIES, 1, None)).next
    assert first is not None
    query, _ = parts_of(first, tuple[str, str])

    with pytest.raises(InvalidCursor):
        await platform.audit(OWNER, ALL_ENTRIES, 1, encode_cursor(query, position))


async def test_an_export_has_all_entries_that_match(platform: PlatformService) -> None:
    entries = entries_of(platform)
    await entries.db.execute(MANY, 1200)

    exported = [entry.id async for batch in platform.export_audit(OWNER, AuditFilter(actor="usr_7")) for entry in batch]
    whole = [entry async for batch in platform.export_installation_audit(ROOT, ALL_ENTRIES) for entry in batch]

    assert len(exported) == 1200 // 2 // 10
    assert len(whole) == 1200
    assert [entry.at for entry in whole] == sorted((entry.at for entry in whole), reverse=True)


async def test_an_organisation_reads_the_acts_on_itself_and_on_its_projects(platform: PlatformService) -> None:
    guild, club = await platform.create_org(ADA, "Guild"), await platform.create_org(ADA, "Club")
    made = await platform.create_project(ADA, "Bakery", guild.id)

    async def ended(action: str, caller: Caller, org: str = "", end: ActEnd = DONE) -> None:
        id = await platform.begin_act(caller, AuditedAct(action, org=org))
        await platform.end_act(id, end)

    await ended("org.create", ADA, end=ActEnd(201, target=guild.id, org=guild.id))
    await ended("org_invite.create", ADA, guild.slug)
    await ended("org_invite.create", EVE, guild.slug)  # For Eve, the organisation does not exist.
    await ended("project.create", ADA, end=ActEnd(201, target=made.id, project=made.id, org=guild.id))
    await ended("key.create", at(made))
    await ended("project.transfer", at(made), end=ActEnd(200, org=club.id))
    await platform.note_refusals(ADA, AuditedAct("org.delete", org=guild.id), 3)
    for ref in (made.id, made.slug):
        await platform.begin_act(ROOT, AuditedAct("project.suspend", ref))

    async def read(org: str) -> list[str]:
        page = await platform.audit(ADA, ALL_ENTRIES, 20, None, org)
        exported = [entry async for batch in platform.export_audit(ADA, ALL_ENTRIES, org) for entry in batch]
        assert tuple(exported) == page.items
        return [entry.action for entry in page.items]

    assert await read(guild.slug) == [
        "project.suspend",
        "project.suspend",
        "org.delete",
        "project.transfer",
        "project.create",
        "org_invite.create",
        "org.create",
    ]
    assert await read(club.id) == ["project.transfer"]
    assert (await platform.audit(at(made), ALL_ENTRIES, 20, None)).items[0].org == guild.id


async def test_a_stranger_writes_nothing_into_the_log_of_an_organisation(platform: PlatformService) -> None:
    guild = await platform.create_org(ADA, "Guild")
    made = await platform.create_project(ADA, "Bakery", guild.id)

    for ref in (made.id, made.slug):
        await platform.note_refusals(EVE, AuditedAct("project.suspend", ref), 1)

    assert (await platform.audit(ADA, ALL_ENTRIES, 20, None, guild.id)).items == ()


async def test_only_admins_and_owners_read_the_log_of_an_organisation(platform: PlatformService) -> None:
    guild = await platform.create_org(ADA, "Guild")
    await joined(platform, ADA, BOB, Role.DEVELOPER, guild.id)

    for who, problem in ((BOB, Forbidden), (EVE, OrganisationNotFound)):
        with pytest.raises(problem):
            await platform.audit(who, ALL_ENTRIES, 20, None, guild.slug)
        with pytest.raises(problem):
            await anext(platform.export_audit(who, ALL_ENTRIES, guild.slug))

    await platform.change_member(ADA, guild.id, BOB_ID, Role.ADMIN)
    assert (await platform.audit(BOB, ALL_ENTRIES, 20, None, guild.slug)).next is None


async def test_activity_of_accounts_is_copied_once_although_the_job_is_killed_before_it_says_so(
    platform: PlatformService, others: FakeRooms, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_night = clock.now() - timedelta(hours=2)
    reset = ActivityEntry("acv_1", at_night, "account.reset_password", "203.0.113.9", "curl", ActivityOutcome.DONE)
    guessed = msgspec.structs.replace(reset, id="acv_2", action="account.sign_in", outcome=ActivityOutcome.REFUSED)
    guessed = msgspec.structs.replace(guessed, method=ActivityMethod.PASSWORD, count=7)
    others.bunauth.unaudited = [UnauditedActivity(one, "usr_bob", "bob@example.com") for one in (reset, guessed)]
    job = activity_job(entries_of(platform), others.rooms()[BunAuth], clock)

    async def killed(_ids: tuple[str, ...]) -> None:
        raise Unreachable("This room is down.")

    with monkeypatch.context() as patch:
        patch.setattr(others.bunauth, "activity_audited", killed)
        with pytest.raises(Unreachable):
            await job.work()
    await job.work()

    refused, done = (await platform.installation_audit(ROOT, ALL_ENTRIES, 20, None)).items
    assert (done.action, done.actor.id, done.actor.email, done.at) == (
        "account.reset_password",
        "usr_bob",
        "bob@example.com",
        at_night,
    )
    assert (refused.actor.kind, refused.target, refused.count) == (ActorKind.ANONYMOUS, "usr_bob", 7)
    assert (refused.outcome, refused.after, refused.at) == (
        AuditOutcome.REFUSED,
        {"method": "password", "email": "bob@example.com"},
        clock.now(),
    )


READERS: tuple[Callable[[PlatformService, Caller], Awaitable[object]], ...] = (
    lambda platform, caller: platform.audit(caller, ALL_ENTRIES, 20, None),
    lambda platform, caller: anext(platform.export_audit(caller, ALL_ENTRIES), None),
)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEVELOPER])
async def test_members_below_admin_may_not_read_the_log(platform: PlatformService, role: Role) -> None:
    for read in READERS:
        with pytest.raises(Forbidden):
            await read(platform, member_caller(PROJECT, role))


async def test_only_administrators_read_the_log_of_the_installation(platform: PlatformService) -> None:
    with pytest.raises(Forbidden):
        await platform.installation_audit(OWNER, ALL_ENTRIES, 20, None)
    with pytest.raises(Forbidden):
        await anext(platform.export_installation_audit(OWNER, ALL_ENTRIES))


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE audit SET action = 'harmless'",
        "UPDATE audit SET status = 500",
        "UPDATE audit SET status = NULL",
        "UPDATE audit SET actor_id = 'usr_bob', status = 200",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "BEGIN; SET LOCAL bunbase.audit_expired_before = '2100-01-01'; DELETE FROM audit; COMMIT",
    ],
)
async def test_the_database_itself_refuses_to_change_or_delete_entries(
    platform: PlatformService, here: Site, sql: str
) -> None:
    entries = entries_of(platform)
    ended = await begun(platform)
    await platform.end_act(ended, ActEnd(200))
    await begun(platform)
    await entries.db.execute(TODAY)
    before = await entries.db.value("SELECT json_agg(audit ORDER BY id) FROM audit")

    connection = await asyncpg.connect(here.database_url, server_settings={"search_path": "platform"})
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
            await connection.execute(sql)
    finally:
        await connection.close()

    assert await entries.db.value("SELECT json_agg(audit ORDER BY id) FROM audit") == before


async def test_entries_are_deleted_after_their_retention_and_not_before(
    others: FakeRooms, tmp_path: Path, database_url: str
) -> None:
    clock = ManualClock(datetime(2020, 1, 1, tzinfo=UTC))
    async with opened(MODULE, others.rooms(), site(tmp_path, database_url, clock)) as platform:
        await begun(platform, "old")
        clock.advance(86400)
        await begun(platform, "young")

        clock.advance(399 * 86400 + 1)
        await retention_job(entries_of(platform), 400, clock).work()

        assert [entry.action for entry in (await platform.audit(OWNER, ALL_ENTRIES, 20, None)).items] == ["young"]


async def test_retention_deletes_in_batches(platform: PlatformService) -> None:
    entries = entries_of(platform)
    await entries.db.execute(MANY, 2500)

    assert await entries.delete_before(datetime(2025, 1, 1, tzinfo=UTC)) == 2500


async def test_no_page_of_a_large_log_scans_or_sorts_the_table(platform: PlatformService) -> None:
    entries = entries_of(platform)
    await entries.db.execute(MANY, 20_000)
    await entries.db.execute("ANALYZE audit")

    for log, filter in FULL:
        sql, args = page_statement(log, filter, 21, FIRST)
        plan: str = await entries.db.value(f"EXPLAIN (FORMAT JSON) {sql}", *args)
        assert "Seq Scan" not in str(plan), (log, filter, plan)
        assert "'Sort'" not in str(plan), (log, filter, plan)
        await entries.rows(log, filter, 21, FIRST)


# This is an entry of today. Nobody can delete it, not even with the setting that the retention job uses.
TODAY = """
INSERT INTO audit (id, at, project, actor_kind, actor_id, action, target, ip, agent, request_id)
VALUES ('aud_now', now(), 'prj_bakery', 'key', 'key_ci', 'key.create', '', '', '', '')"""

# These are entries of two projects and ten actors, one in each second of the year 2020.
MANY = """
INSERT INTO audit (id, at, project, actor_kind, actor_id, action, target, ip, agent, request_id, status, org, to_org)
SELECT 'aud_' || n, timestamptz '2020-01-01' + n * interval '1 second',
    CASE n % 2 WHEN 1 THEN 'prj_bakery' ELSE 'prj_library' END, 'developer', 'usr_' || (n / 2) % 10,
    CASE n % 3 WHEN 0 THEN 'key.create' ELSE 'env.set' END, '', '', '', '', 200,
    CASE n % 5 WHEN 1 THEN 'org_guild' ELSE '' END, CASE n % 7 WHEN 1 THEN 'org_guild' ELSE '' END
FROM generate_series(1, $1::int) AS n"""
