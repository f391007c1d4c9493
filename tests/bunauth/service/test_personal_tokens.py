from __future__ import annotations

from importlib import resources

import msgspec
import pytest

from bunbase.bunauth.routes.personal_tokens import CreateToken
from bunbase.bunauth.service import BunAuthService
from bunbase.contracts.bunauth.accounts import Proof
from bunbase.contracts.bunauth.problems import ReauthenticationRequired, TokenNotFound
from bunbase.contracts.revocations import RevokedKind
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.db.database import open_database
from bunbase.pkg.errors import Forbidden, InvalidInput
from tests.bunauth.feeds import feed_of
from tests.bunauth.people import PASSWORD, caller_with, registered
from tests.rooms import ANYONE

BOTH = ("read", "write")


async def test_a_personal_token_is_shown_once_and_stored_only_hashed(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    made = await bunauth.create_token(caller, "laptop", BOTH, None)

    assert made.token is not None
    assert made.token.startswith("bpt_")
    listed = (await bunauth.tokens(caller)).items
    assert [(one.id, one.name, one.scopes) for one in listed] == [(made.id, "laptop", BOTH)]
    assert b"bpt_" not in msgspec.json.encode(listed)
    stored = await bunauth.stores.db.value("SELECT string_agg(personal_tokens::text, '') FROM personal_tokens")
    assert made.token not in stored


async def test_a_personal_token_has_the_claims_of_an_access_token_and_its_scopes(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    signed_in = await registered(bunauth)
    caller = await caller_with(bunauth, signed_in.access_token)
    made = await bunauth.create_token(caller, "ci", ("read",), 3600)
    assert made.token is not None

    verified = await bunauth.verify(made.token)

    now = int(clock.now().timestamp())
    assert verified.valid
    assert verified.claims == {
        "iss": "http://127.0.0.1:7070",
        "sub": signed_in.user.id,
        "iat": now,
        "exp": now + 3600,
        "jti": made.id,
        "type": "personal",
        "role": "admin",
        "email": "ada@example.com",
        "scopes": ["read"],
    }


@pytest.mark.parametrize("scope", ["admin", "secrets", "admin@prj_bakery"])
async def test_a_token_that_replaces_proofs_needs_a_fresh_proof(
    bunauth: BunAuthService, clock: ManualClock, scope: str
) -> None:
    mine = await registered(bunauth)
    clock.advance(600)
    caller = await caller_with(bunauth, (await bunauth.refresh(ANYONE, mine.refresh_token)).access_token)

    with pytest.raises(ReauthenticationRequired):
        await bunauth.create_token(caller, "thief", ("read", scope), None)

    await bunauth.create_token(caller, "ci", BOTH, None)
    await bunauth.reauthenticate(caller, Proof(PASSWORD))
    await bunauth.create_token(caller, "mine", ("read", scope), None)


async def test_a_personal_token_expires_only_if_it_has_an_expiry(bunauth: BunAuthService, clock: ManualClock) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    short = await bunauth.create_token(caller, "short", BOTH, 60)
    endless = await bunauth.create_token(caller, "endless", BOTH, None)
    clock.advance(60)

    assert short.token is not None
    assert endless.token is not None
    assert not (await bunauth.verify(short.token)).valid
    assert "exp" not in (await bunauth.verify(endless.token)).claims


async def test_a_deleted_personal_token_is_invalid_and_in_the_feed_of_revocations(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    made = await bunauth.create_token(caller, "lost", BOTH, None)
    assert made.token is not None
    async with feed_of(bunauth) as feed:
        assert (await feed.next()).kind is RevokedKind.READY

        await bunauth.delete_token(caller, made.id)

        news = await feed.next()
    assert (news.kind, news.id) == (RevokedKind.TOKEN, made.id)
    assert not (await bunauth.verify(made.token)).valid
    with pytest.raises(TokenNotFound):
        await bunauth.delete_token(caller, made.id)


async def test_a_developer_cannot_list_or_delete_the_tokens_of_another(bunauth: BunAuthService) -> None:
    ada = await caller_with(bunauth, (await registered(bunauth)).access_token)
    bob = await caller_with(bunauth, (await registered(bunauth, "bob@example.com")).access_token)
    made = await bunauth.create_token(ada, "hers", BOTH, None)

    with pytest.raises(TokenNotFound):
        await bunauth.delete_token(bob, made.id)

    assert (await bunauth.tokens(bob)).items == ()
    assert len((await bunauth.tokens(ada)).items) == 1


async def test_a_personal_token_cannot_create_tokens_or_log_out(bunauth: BunAuthService) -> None:
    ada = await caller_with(bunauth, (await registered(bunauth)).access_token)
    made = await bunauth.create_token(ada, "ci", BOTH, None)
    assert made.token is not None
    with_token = await caller_with(bunauth, made.token)

    with pytest.raises(Forbidden):
        await bunauth.create_token(with_token, "another", BOTH, None)
    with pytest.raises(Forbidden):
        await bunauth.logout(with_token)
    assert (await bunauth.me(with_token)).email == "ada@example.com"


async def test_the_last_use_of_a_token_is_written_at_most_once_a_minute(
    bunauth: BunAuthService, clock: ManualClock
) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    token = (await bunauth.create_token(caller, "ci", BOTH, None)).token
    assert token is not None
    last_used = "SELECT last_used_at FROM personal_tokens"
    await bunauth.verify(token)
    first = clock.now()
    clock.advance(59)
    await bunauth.verify(token)
    assert await bunauth.stores.db.value(last_used) == first
    clock.advance(1)

    await bunauth.verify(token)

    assert await bunauth.stores.db.value(last_used) == clock.now()


async def test_an_account_has_at_most_a_hundred_personal_tokens(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)
    for number in range(100):
        await bunauth.create_token(caller, f"token {number}", BOTH, None)

    with pytest.raises(InvalidInput):
        await bunauth.create_token(caller, "one more", BOTH, None)

    listed = (await bunauth.tokens(caller)).items
    assert len(listed) == 100
    assert listed[0].name == "token 99"


async def test_a_personal_token_needs_a_name_and_known_scopes(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    for name, scopes in (("", BOTH), ("  ", BOTH), ("x" * 101, BOTH), ("ci", ()), ("ci", ("everything",))):
        with pytest.raises(InvalidInput):
            await bunauth.create_token(caller, name, scopes, None)

    assert (await bunauth.tokens(caller)).items == ()


async def test_an_unknown_personal_token_is_invalid(bunauth: BunAuthService) -> None:
    for token in ("bpt_", "bpt_unknown", "bpt_\0"):
        assert not (await bunauth.verify(token)).valid


async def test_a_personal_token_has_the_scope_secrets_only_if_requested(bunauth: BunAuthService) -> None:
    """The default scopes do not contain `secrets`."""
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    made = await bunauth.create_token(caller, "vault", ("secrets", "read"), None)
    verified = await bunauth.verify(made.token or "")

    assert verified.claims["scopes"] == ["read", "secrets"]
    assert "secrets" not in CreateToken("ci").scopes


async def test_a_token_can_be_bound_to_projects(bunauth: BunAuthService) -> None:
    caller = await caller_with(bunauth, (await registered(bunauth)).access_token)

    made = await bunauth.create_token(caller, "ci", ("read", "data:write@prj_a"), None, ("prj_b", "prj_a", "prj_b"))
    claims = (await bunauth.verify(made.token or "")).claims

    assert (claims["scopes"], claims["projects"]) == (["read", "data:write@prj_a"], ["prj_a", "prj_b"])
    assert (await bunauth.tokens(caller)).items[0].projects == ("prj_a", "prj_b")
    for projects in (("bakery",), ("",), tuple(f"prj_{number}" for number in range(51))):
        with pytest.raises(InvalidInput):
            await bunauth.create_token(caller, "ci", ("read",), None, projects)


async def test_stored_tokens_with_the_scope_write_keep_all_that_they_could_do(database_url: str) -> None:
    """In older versions, `write` also allowed the acts of admins. The update adds `admin` only to such tokens."""
    package = "bunbase.bunauth.migrations"
    update = (resources.files(package) / "0009_write_is_not_admin.sql").read_text("utf-8")
    async with open_database(database_url, "bunauth", package) as db:
        await db.execute("INSERT INTO users VALUES ('usr_1', 'ada@example.com', 'Ada', 'hash', 'user', now())")
        for number, scopes in enumerate((["read"], ["read", "write"], ["secrets"])):
            await db.execute(
                "INSERT INTO personal_tokens (id, user_id, name, scopes, hash, created_at) "
                "VALUES ($1, 'usr_1', 'old', $2, $3, now())",
                *(f"tok_{number}", scopes, str(number).encode()),
            )

        await db.execute(update[update.index("UPDATE personal_tokens") :])

        found: str = await db.value(
            "SELECT string_agg(array_to_string(scopes, ' '), ', ' ORDER BY id) FROM personal_tokens"
        )
    assert found == "read, read write admin, secrets"
