"""Users from other systems are imported with their passwords, and exported to other projects."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import bcrypt
import msgspec
import pytest

from bunbase.contracts.bunauth.problems import InvalidCredentials, InvalidToken
from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.revocations import user_version
from bunbase.contracts.tenant_auth.problems import TooManyUsers, UserBanned
from bunbase.contracts.tenant_auth.transfers import MAX_IMPORT_LINES, ImportChoices, ImportedUsers, OnConflict
from bunbase.contracts.tenant_auth.users import NewUser, UserChanges, UserFilter
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import Forbidden, InvalidInput, Unauthenticated
from bunbase.pkg.identity.store.identities import IdentityStore
from bunbase.pkg.ndjson import ImportLine
from bunbase.tenant_auth.import_plan import Known
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.store.transfers import TransferStore
from tests.pkg.password_hashes.test_reading import VECTORS
from tests.rooms import ANYONE, member_caller, secret_caller
from tests.tenant_auth.people import AT_BAKERY, AT_LIBRARY, BAKERY, LIBRARY, PASSWORD, as_user, claims_of, signed_up
from tests.tenant_auth.tables import rows

SERVER, ELSEWHERE = secret_caller(BAKERY), secret_caller(LIBRARY)
SECRET = "an old password"
HASH = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()
SKIP, ERROR, UPDATE = (ImportChoices(one) for one in (OnConflict.SKIP, OnConflict.ERROR, OnConflict.UPDATE))
DRY = ImportChoices(OnConflict.UPDATE, dry_run=True)

EVE: dict[str, Any] = {
    "id": "kYi4EvWQlQTKSfnJ3dRSP6IH3ed2",
    "email": "Eve@Example.com",
    "email_verified": True,
    "phone": "+15551234567",
    "phone_verified": True,
    "name": "Eve",
    "language": "de-CH",
    "password_hash": HASH,
    "role": "editor",
    "claims": {"team": "one"},
    "data": {"theme": "dark", "text": "a\u0000b"},
    "created_at": "2020-02-29T12:00:00Z",
    "last_sign_in_at": "2021-01-01T00:00:00+02:00",
    "identities": [{"provider": "google", "subject": "1234567890", "email": "eve@gmail.com"}],
}


async def imported(
    room: TenantAuthService, *lines: dict[str, Any] | bytes, choices: ImportChoices = SKIP, caller: Caller = SERVER
) -> ImportedUsers:
    texts = [line if isinstance(line, bytes) else msgspec.json.encode(line) for line in lines]
    return await room.import_users(caller, choices, tuple(ImportLine(at, text) for at, text in enumerate(texts, 1)))


async def exported(room: TenantAuthService, caller: Caller = SERVER, hashes: bool = True, after: str = "") -> bytes:
    return b"".join([part.lines async for part in room.export_users(caller, hashes, after)])


async def test_an_imported_user_keeps_id_and_data_and_signs_in_with_the_old_password(
    tenant_auth: TenantAuthService,
) -> None:
    done = await imported(tenant_auth, EVE)

    assert done == ImportedUsers(imported=1, last_line=1)
    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)
    user = signed_in.user
    assert (user.id, user.role, user.claims, user.data) == (EVE["id"], "editor", EVE["claims"], EVE["data"])
    assert (user.name, user.phone, user.phone_verified, user.email_verified) == ("Eve", EVE["phone"], True, True)
    assert user.language == "de-CH"
    assert user.created_at.isoformat() == "2020-02-29T12:00:00+00:00"
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", "another password")
    with pytest.raises(InvalidCredentials):
        await tenant_auth.login(AT_LIBRARY, "eve@example.com", SECRET)


async def test_the_first_right_password_of_every_scheme_replaces_the_hash_by_argon2id(
    tenant_auth: TenantAuthService,
) -> None:
    ones = [(f"user{at}@example.com", text, password) for at, (text, password) in enumerate(VECTORS.values())]
    lines = [{"email": email, "password_hash": text} for email, text, _ in ones]
    assert (await imported(tenant_auth, *lines)).imported == len(VECTORS)

    for email, _, password in ones:
        await tenant_auth.login(AT_BAKERY, email, password)

    for email, _, password in ones:
        person = await tenant_auth.stores.users.by_email(BAKERY, email)
        assert person is not None
        assert (person.password_hash or "").startswith("$argon2id$v=19$")
        await tenant_auth.login(AT_BAKERY, email, password)


async def test_hashes_may_be_sent_in_parts(tenant_auth: TenantAuthService) -> None:
    firebase, pbkdf2, scrypt = (VECTORS[name][0] for name in ("firebase", "pbkdf2-sha512", "scrypt, RFC 7914"))
    key = firebase.partition("sk=")[2].partition("$")[0]
    salt, hash = firebase.split("$")[-2:]
    parts: list[dict[str, Any]] = [
        {
            **{"scheme": "firebase-scrypt", "salt": salt, "hash": hash, "signer_key": key, "salt_separator": "Bw=="},
            **{"rounds": 8, "mem_cost": 14},
        },
        {
            **{"scheme": "pbkdf2", "digest": "sha512", "iterations": 1},
            **dict(zip(("salt", "hash"), pbkdf2.split("$")[-2:], strict=True)),
        },
        {"scheme": "scrypt", "n": 16384, **dict(zip(("salt", "hash"), scrypt.split("$")[-2:], strict=True))},
    ]
    lines = [{"id": f"u{at}", "email": f"u{at}@example.com", "password_hash": one} for at, one in enumerate(parts)]
    refused = [{**parts[1], "digest": "md5"}, {**parts[2], "n": 1000}, {**parts[2], "n": -1}, {"scheme": "md5"}]
    refused += [{**parts[1], "iterations": 1 << 40}, {**parts[0], "mem_cost": 1 << 62}]

    done = await imported(tenant_auth, *lines, *({"id": "x", "password_hash": one} for one in refused))

    stored = [await tenant_auth.stores.users.by_id(BAKERY, f"u{at}") for at in range(3)]
    assert [one and one.password_hash for one in stored] == [firebase, pbkdf2, scrypt]
    assert (done.imported, done.failed, {one.code for one in done.errors}) == (3, len(refused), {"invalid_input"})


@pytest.mark.parametrize("choices", [SKIP, UPDATE], ids=["skip", "update"])
async def test_the_same_file_again_changes_nothing_even_after_users_have_signed_in(
    tenant_auth: TenantAuthService, choices: ImportChoices
) -> None:
    lines = [EVE, {"email": "ada@example.com", "password_hash": HASH, "banned": True}, {"phone": "+4930123456"}]
    lines.append({"identities": [{"provider": "github", "subject": "99"}]})
    await imported(tenant_auth, *lines)
    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)
    before = await rows(tenant_auth, BAKERY)

    done = await imported(tenant_auth, *lines, choices=choices)

    assert done == ImportedUsers(skipped=4, last_line=4)
    assert await rows(tenant_auth, BAKERY) == before
    await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)


async def test_a_known_user_is_skipped_refused_or_updated(tenant_auth: TenantAuthService, clock: ManualClock) -> None:
    await imported(tenant_auth, EVE)
    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)
    eve = await as_user(tenant_auth, AT_BAKERY, signed_in.access_token, clock.now().timestamp)
    changes = {"id": EVE["id"], "name": "Eve B.", "role": "user", "identities": [{"provider": "x", "subject": "1"}]}

    refused = await imported(tenant_auth, changes, choices=ERROR)
    dry = await imported(tenant_auth, changes, {**changes, "id": "new"}, choices=DRY)
    unchanged = await tenant_auth.me(eve)
    updated = await imported(tenant_auth, changes, choices=UPDATE)

    assert [(one.line, one.code) for one in refused.errors] == [(1, "user_exists")]
    assert (dry.updated, dry.imported, dry.failed) == (1, 0, 1)  # The two lines have the same identity.
    assert unchanged.name == "Eve"
    assert updated == ImportedUsers(updated=1, last_line=1)
    found = await tenant_auth.user(SERVER, EVE["id"])
    assert (found.name, found.role, found.claims, found.email) == ("Eve B.", "user", EVE["claims"], "eve@example.com")
    # The role is in the token, so the old session ends.
    assert not await tenant_auth.session_alive(BAKERY, eve.end_user().session, 0)
    assert (await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)).user.role == "user"


async def test_an_update_brings_a_newer_password_and_a_ban_which_end_the_sessions(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await imported(tenant_auth, {**EVE, "password_hash": HASH})
    newer = bcrypt.hashpw(b"a new password", bcrypt.gensalt(4)).decode()
    changed = {"id": EVE["id"], "password_hash": newer}

    assert (await imported(tenant_auth, changed, choices=UPDATE)).updated == 1  # Nobody has signed in yet.
    await tenant_auth.login(AT_BAKERY, "eve@example.com", "a new password")
    stale = await imported(tenant_auth, {"id": EVE["id"], "password_hash": HASH}, choices=UPDATE)
    clock.advance(seconds=60)
    dated = {"id": EVE["id"], "password_hash": HASH, "password_changed_at": clock.now().isoformat()}
    signed_in = await tenant_auth.login(AT_BAKERY, "eve@example.com", "a new password")
    latest = await imported(tenant_auth, dated, choices=UPDATE)

    assert (stale.skipped, latest.updated) == (1, 1)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, signed_in.refresh_token)
    await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)
    await imported(tenant_auth, {"id": EVE["id"], "banned_until": "2999-01-01T00:00:00Z"}, choices=UPDATE)
    with pytest.raises(UserBanned):
        await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)


async def test_a_restore_signs_changed_users_out_and_keeps_bans_and_newer_passwords(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    for name in ("changed", "same", "banned", "renewed"):
        await imported(tenant_auth, {"id": name, "email": f"{name}@example.com", "password_hash": HASH})
    sessions = {n: await tenant_auth.login(AT_BAKERY, f"{n}@example.com", SECRET) for n in ("changed", "same")}
    copied = b"".join([part.lines async for part in tenant_auth.copied_users(BAKERY, "")]).splitlines()
    clock.advance(seconds=60)
    await tenant_auth.update_user(SERVER, "changed", UserChanges(data={"theme": "dark"}))
    await tenant_auth.update_user(SERVER, "banned", UserChanges(banned=True, name="Mallory"))
    await tenant_auth.update_user(SERVER, "renewed", UserChanges(password=PASSWORD))
    await signed_up(tenant_auth, AT_BAKERY, "later@example.com")

    lines = tuple(ImportLine(at, text) for at, text in enumerate(copied, 1))
    done = await tenant_auth.restore_users(member_caller(BAKERY), lines)

    assert (done.imported, done.updated, done.skipped, done.failed) == (0, 2, 2, 0)
    with pytest.raises(InvalidToken):
        await tenant_auth.refresh(AT_BAKERY, sessions["changed"].refresh_token)
    await tenant_auth.refresh(AT_BAKERY, sessions["same"].refresh_token)
    users = {one.id: one for one in (await tenant_auth.users(SERVER, UserFilter(), 20, None)).items}
    assert (users["changed"].data, users["banned"].name, users["banned"].banned) == ({}, "", True)
    assert len(users) == 5
    await tenant_auth.login(AT_BAKERY, "renewed@example.com", PASSWORD)


HOSTILE: dict[str, tuple[bytes | dict[str, Any], str, str]] = {
    "no JSON": (b"hello", "malformed_request", "not JSON"),
    "half of a line": (b'{"id": "x"', "malformed_request", "too early"),
    "latin-1": ('{"id":"x","name":"\xe9"}'.encode("latin-1"), "malformed_request", "UTF-8"),
    "utf-16": ('{"id":"x"}'.encode("utf-16"), "malformed_request", "UTF-8"),
    "a list": (b"[]", "invalid_input", ""),
    "deep JSON": (
        b'{"id":"x","data":' + b'{"a":' * 9000 + b"1" + b"}" * 9001,
        "malformed_request",
        "nested too deeply",
    ),
    "33 levels": (b'{"id":"x","data":' + b'{"a":' * 33 + b"1" + b"}" * 34, "invalid_input", "32 levels"),
    "an unknown field": ({"id": "x", "passwd": "y"}, "invalid_input", "passwd"),
    "a password in plain text": ({"id": "x", "password": "y"}, "invalid_input", "password"),
    "nothing that names the user": ({"name": "Eve"}, "invalid_input", "needs an id"),
    "an empty id": ({"id": ""}, "invalid_input", "128 letters"),
    "an id with a slash": ({"id": "../x"}, "invalid_input", "128 letters"),
    "an id with NUL": ({"id": "x\u0000"}, "invalid_input", "128 letters"),
    "an id with a newline": ({"id": "x\n"}, "invalid_input", "128 letters"),
    "the id of a path": ({"id": "export"}, "invalid_input", "128 letters"),
    "a long id": ({"id": "x" * 129}, "invalid_input", "128 letters"),
    "no tag of a language": ({"id": "x", "language": "German, please"}, "invalid_input", "tag of a language"),
    "NUL in a name": ({"id": "x", "name": "a\u0000b"}, "invalid_input", "control"),
    "NUL in an address": ({"id": "x", "email": "a\u0000@example.com"}, "invalid_input", "email address"),
    "NUL in a subject": ({"identities": [{"provider": "x", "subject": "\u0000"}]}, "invalid_input", "subject"),
    "no address": ({"id": "x", "email": "example.com"}, "invalid_input", "email address"),
    "no international number": ({"id": "x", "phone": "0301234567"}, "invalid_input", "international"),
    "21 identities": (
        {"id": "x", "identities": [{"provider": "x", "subject": str(at)} for at in range(21)]},
        "invalid_input",
        "",
    ),
    "reserved claims": ({"id": "x", "claims": {"sub": "ada"}}, "invalid_input", "sub"),
    "large claims": ({"id": "x", "claims": {"a": "y" * 2000}}, "invalid_input", "1024 bytes"),
    "large data": ({"id": "x", "data": {"a": "y" * 20000}}, "invalid_input", "16384 bytes"),
    "a bad role": ({"id": "x", "role": "a b"}, "invalid_input", "role"),
    "a time without a zone": ({"id": "x", "created_at": "2020-01-01T00:00:00"}, "invalid_input", ""),
    "a time in the future": ({"id": "x", "created_at": "2999-01-01T00:00:00Z"}, "invalid_input", "past"),
    "a time before time": ({"id": "x", "created_at": "0001-01-01T00:00:00+14:00"}, "invalid_input", "1970"),
    "a ban beyond time": ({"id": "x", "banned_until": "9999-12-31T23:59:59-14:00"}, "invalid_input", "9000"),
    "a hash that is dear": ({"id": "x", "password_hash": HASH.replace("$04$", "$15$")}, "invalid_input", "4 to 14"),
    "a hash of another scheme": ({"id": "x", "password_hash": "5f4dcc3b5aa765d6"}, "invalid_input", "unknown"),
}


async def test_a_hostile_line_is_refused_with_its_number_and_the_others_are_imported(
    tenant_auth: TenantAuthService,
) -> None:
    lines = [line for line, _, _ in HOSTILE.values()]

    done = await imported(tenant_auth, EVE, *lines, {"email": "ada@example.com"})

    told = {one.line: one for one in done.errors}
    for number, (name, (_, code, reason)) in enumerate(HOSTILE.items(), 2):
        assert told.pop(number).code == code, name
        assert reason in done.errors[number - 2].detail, (name, done.errors[number - 2].detail)
    assert (told, done.imported, done.failed) == ({}, 2, len(HOSTILE))
    assert HASH[7:] not in str(done)


async def test_an_address_phone_or_identity_of_another_user_is_refused_also_within_one_file(
    tenant_auth: TenantAuthService,
) -> None:
    await imported(tenant_auth, EVE)
    lines = [
        {"id": "a", "email": "EVE@example.COM"},
        {"id": "b", "phone": EVE["phone"]},
        {"id": "c", "identities": EVE["identities"]},
        {"id": "d", "email": "zoë@example.com"},
        {"id": "e", "email": "ZOE\u0308@Example.com"},  # This address has the same letter in another Unicode form.
        {"email": "ZOË@example.com"},
        {"id": "d", "email": "again@example.com"},
        {"id": EVE["id"], "email": "other@example.com"},
    ]

    done = await imported(tenant_auth, *lines)
    updating = await imported(tenant_auth, {"id": "d", "email": "eve@example.com"}, choices=UPDATE)

    taken = [(1, "email_taken"), (2, "phone_taken"), (3, "identity_taken"), (5, "email_taken")]
    assert [(one.line, one.code) for one in done.errors] == taken
    assert (done.imported, done.skipped) == (1, 3)
    assert [one.code for one in updating.errors] == ["email_taken"]


async def test_the_users_of_an_export_have_the_same_ids_and_passwords_in_another_project(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await signed_up(tenant_auth, email="own@example.com", theme="dark")
    await imported(tenant_auth, EVE, {"email": "bob@example.com", "banned": True, "password_hash": HASH})
    text = await exported(tenant_auth)

    done = await imported(tenant_auth, *text.splitlines(), caller=ELSEWHERE)

    assert (done.imported, done.failed) == (3, 0)
    assert await exported(tenant_auth, ELSEWHERE) == text
    for email, password in (("own@example.com", PASSWORD), ("eve@example.com", SECRET)):
        here, there = [await tenant_auth.login(at, email, password) for at in (AT_BAKERY, AT_LIBRARY)]
        assert here.user == there.user
    with pytest.raises(UserBanned):
        await tenant_auth.login(AT_LIBRARY, "bob@example.com", SECRET)
    # The projects are separate: a change of a user here does not change the user with the same id in the other project.
    token = (await tenant_auth.login(AT_LIBRARY, "eve@example.com", SECRET)).access_token
    eve = await as_user(tenant_auth, AT_LIBRARY, token, clock.now().timestamp)
    await tenant_auth.delete_user(SERVER, EVE["id"])
    assert (await tenant_auth.me(eve)).id == EVE["id"]
    assert [line for line in (await exported(tenant_auth)).splitlines() if b"kYi4" in line] == []


async def test_an_export_has_hashes_only_if_asked_and_continues_after_an_id(tenant_auth: TenantAuthService) -> None:
    await imported(tenant_auth, *({"id": f"u{at:04}", "password_hash": HASH} for at in range(MAX_IMPORT_LINES)))
    await imported(tenant_auth, {"id": "v"})

    plain = (await exported(tenant_auth, hashes=False)).splitlines()

    assert len(plain) == MAX_IMPORT_LINES + 1
    assert b"password_hash" not in b"".join(plain)
    assert (await exported(tenant_auth, hashes=False, after="u0498")).splitlines() == plain[-2:]
    assert await exported(tenant_auth, ELSEWHERE) == b""


def member(role: Role) -> Caller:
    return member_caller(BAKERY, role)


async def test_developers_import_and_export_and_administrators_export_hashes(tenant_auth: TenantAuthService) -> None:
    for caller in (SERVER, member(Role.DEVELOPER)):
        await imported(tenant_auth, EVE, caller=caller)
        await exported(tenant_auth, caller, hashes=False)
    for caller in (SERVER, member(Role.ADMIN)):
        assert b"$2b$04$" in await exported(tenant_auth, caller)

    for caller in (AT_BAKERY, member(Role.VIEWER), ANYONE):
        with pytest.raises((Forbidden, Unauthenticated)):
            await imported(tenant_auth, caller=caller)
        with pytest.raises((Forbidden, Unauthenticated)):
            await exported(tenant_auth, caller, hashes=False)
    with pytest.raises(Forbidden):
        await exported(tenant_auth, member(Role.DEVELOPER))
    with pytest.raises(InvalidInput):
        await imported(tenant_auth, *[EVE] * (MAX_IMPORT_LINES + 1))


async def test_a_batch_that_fails_in_the_middle_leaves_nothing_and_can_be_repeated(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object) -> bool:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(IdentityStore, "add_many", killed)
        with pytest.raises(ConnectionResetError):
            await imported(tenant_auth, EVE, {"email": "ada@example.com"})
    assert (await tenant_auth.users(SERVER, UserFilter(), 10, None)).items == ()

    assert (await imported(tenant_auth, EVE, {"email": "ada@example.com"})).imported == 2


async def test_two_imports_and_sign_ups_at_once_add_each_user_once(tenant_auth: TenantAuthService) -> None:
    lines = [{"email": f"u{at}@example.com", "identities": [{"provider": "x", "subject": str(at)}]} for at in range(40)]
    others = [tenant_auth.create_user(SERVER, NewUser(f"u{at}@example.com")) for at in (3, 17, 39)]

    first, second, *made = await asyncio.gather(
        imported(tenant_auth, *lines), imported(tenant_auth, *reversed(lines)), *others, return_exceptions=True
    )

    assert isinstance(first, ImportedUsers)
    assert isinstance(second, ImportedUsers)
    users = (await tenant_auth.users(SERVER, UserFilter(), 100, None)).items
    assert len(users) == len({user.email for user in users}) == 40
    by_others = sum(not isinstance(one, BaseException) for one in made)
    assert first.imported + second.imported + by_others == 40
    assert first.failed + second.failed == 0


async def test_a_full_project_takes_no_batch_and_says_so(tenant_auth: TenantAuthService) -> None:
    tenant_auth.transfers.places.most = 2

    with pytest.raises(TooManyUsers):
        await imported(tenant_auth, *({"id": f"u{at}"} for at in range(3)))
    assert (await imported(tenant_auth, {"id": "u0"}, {"id": "u1"})).imported == 2
    assert (await imported(tenant_auth, {"id": "u0"}, {"id": "u1"})).skipped == 2


async def test_a_user_who_was_deleted_and_comes_back_by_an_import_can_use_the_tokens(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    """The revocations of the deleted user do not affect the new user. The old tokens stay revoked."""
    for _ in range(2):
        await imported(tenant_auth, EVE)
        old = (await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)).access_token
        await tenant_auth.delete_user(SERVER, EVE["id"])
    await imported(tenant_auth, EVE)
    new = (await tenant_auth.login(AT_BAKERY, "eve@example.com", SECRET)).access_token

    was, now = [await claims_of(tenant_auth, BAKERY, one, clock.now().timestamp) for one in (old, new)]
    revoked = await tenant_auth.stores.db.value("SELECT array_agg(id) FROM revocations WHERE kind = 'user'")
    assert user_version(BAKERY, was["sub"], was["ver"]) in revoked
    assert user_version(BAKERY, now["sub"], now["ver"]) not in revoked
    assert len(revoked) == 2


async def test_an_address_or_number_that_an_update_or_an_administrator_changes_is_not_verified_by_that(
    tenant_auth: TenantAuthService,
) -> None:
    """If it was verified, the owner of a mistyped number or address could sign in to the account.

    The changes are random, with seed 4.
    """
    some = random.Random(4)
    user = {"id": "u", "email": "u0@example.com", "phone": "+15550000000"}
    await imported(tenant_auth, {**user, "email_verified": True, "phone_verified": True})
    for at in range(1, 40):
        before = await tenant_auth.user(SERVER, "u")
        values = {"email": (before.email, f"u{at}@example.com", None), "phone": (before.phone, f"+1555{at:07}", None)}
        line = {field: some.choice(values[field]) for field in values if some.random() < 0.8}
        flags = {f"{field}_verified": some.random() < 0.7 for field in values if some.random() < 0.3}
        if some.random() < 0.4 and line.get("email"):
            said = {"email_verified": flags["email_verified"]} if "email_verified" in flags else {}
            changes = msgspec.convert({"email": line["email"], **said}, UserChanges)
            after, kept = await tenant_auth.update_user(SERVER, "u", changes), not said
        else:
            await imported(tenant_auth, {"id": "u", **line, **flags}, choices=UPDATE)
            after, said, kept = await tenant_auth.user(SERVER, "u"), flags, True
        for field, flag in (("email", "email_verified"), ("phone", "phone_verified")):
            same = getattr(after, field) == getattr(before, field)
            expected = bool(said.get(flag)) or (same and getattr(before, flag) and (kept or field == "phone"))
            assert getattr(after, flag) == (expected and getattr(after, field) is not None), (at, line, said)


async def test_a_user_who_can_sign_in_again_is_not_anonymous_whatever_a_line_says(
    tenant_auth: TenantAuthService,
) -> None:
    real: list[dict[str, Any]] = [
        {"email": "a@example.com"},
        {"phone": "+15551230001"},
        {"password_hash": HASH},
        {"identities": [{"provider": "google", "subject": "7"}]},
        {"name": "none of them"},
    ]
    for at, fields in enumerate(real):
        await imported(tenant_auth, {"id": f"new{at}", **fields, "anonymous": True})
        await imported(tenant_auth, {"id": f"new{at}", "anonymous": True}, choices=UPDATE)
        assert (await tenant_auth.user(SERVER, f"new{at}")).anonymous == ("name" in fields), fields
    await imported(tenant_auth, {"id": "plain"})
    await imported(tenant_auth, {"id": "plain", "anonymous": True}, choices=UPDATE)
    assert not (await tenant_auth.user(SERVER, "plain")).anonymous


async def test_a_line_that_names_an_identity_twice_stops_no_import(tenant_auth: TenantAuthService) -> None:
    twice = [{"provider": "google", "subject": "7"}, {"provider": "google", "subject": "7", "email": "a@example.com"}]
    lines: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "identities": twice}, {"id": "c"}]

    done = await imported(tenant_auth, *lines)
    again = await imported(tenant_auth, {"id": "a", "identities": [{**twice[0], "subject": "8"}] * 2}, choices=UPDATE)

    assert (done.imported, done.failed, again.updated) == (3, 0, 1)


async def test_a_line_that_always_collides_is_refused_and_the_others_are_imported(
    tenant_auth: TenantAuthService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line can never stop a whole import forever."""
    await imported(tenant_auth, EVE)

    async def blind(_store: TransferStore, _project: str, _lines: object) -> Known:
        return Known(set(), {}, {}, {})

    monkeypatch.setattr(TransferStore, "known", blind)
    lines = [{"id": "a"}, {"id": "b", "email": "eve@example.com"}, {"id": "c", "phone": EVE["phone"]}, {"id": "d"}]

    done = await imported(tenant_auth, *lines)

    assert [(one.line, one.code) for one in done.errors] == [(2, "user_exists"), (3, "user_exists")]
    assert done.imported == 2


@pytest.mark.parametrize("line", [{"banned_until": "2020-01-01T00:00:00Z"}, {"name": "Eve"}])
async def test_a_file_without_a_present_ban_ends_no_ban_that_was_made_here(
    tenant_auth: TenantAuthService, line: dict[str, str]
) -> None:
    await imported(tenant_auth, EVE)
    await tenant_auth.update_user(SERVER, EVE["id"], UserChanges(banned=True))

    await imported(tenant_auth, {"id": EVE["id"], **line}, choices=UPDATE)
    kept = (await tenant_auth.user(SERVER, EVE["id"])).banned
    await imported(tenant_auth, {"id": EVE["id"], "banned": False}, choices=UPDATE)

    assert kept
    assert not (await tenant_auth.user(SERVER, EVE["id"])).banned
