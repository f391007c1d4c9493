from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bunbase.contracts.bunauth.problems import InvalidToken, TokenExpired
from bunbase.contracts.bunauth.tokens import FirstUse
from bunbase.contracts.caller import CallerKind, EndUser
from bunbase.contracts.platform import InvalidKey, KeyHolder, ProjectNotFound
from bunbase.contracts.revocations import RevokedKind, older_user_version, user_version
from bunbase.gateway import identity as identity_module
from bunbase.gateway.identity import Identity
from bunbase.gateway.revoked import Revoked
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.jwt import SigningKey, new_private_key
from tests.gateway.others import (
    ADA,
    BAKERY,
    LIBRARY,
    SECRET,
    FakeBunAuth,
    FakePlatform,
    FakeTenantAuth,
    signing_key,
)
from tests.pkg.waiting import eventually


class Asking:
    """An Identity, and the fake rooms that it calls."""

    def __init__(self) -> None:
        self.bunauth, self.platform, self.tenant_auth = FakeBunAuth(), FakePlatform(), FakeTenantAuth()
        rooms: tuple[Any, Any, Any] = self.bunauth, self.platform, self.tenant_auth
        self.identity = Identity(*rooms, size=1000)

    async def refused(self, token: str) -> bool:
        try:
            await self.identity.developer(token)
        except InvalidToken:
            return True
        return False

    async def refused_user(self, token: str) -> bool:
        try:
            await self.identity.end_user(BAKERY, token)
        except InvalidToken:
            return True
        return False

    async def refused_key(self, key: str) -> bool:
        try:
            await self.identity.key_holder(key)
        except InvalidKey:
            return True
        return False


@pytest_asyncio.fixture
async def asking() -> AsyncIterator[Asking]:
    asking = Asking()
    async with asking.identity.following():
        yield asking


async def test_a_users_token_says_how_the_user_signed_in(asking: Asking) -> None:
    said: dict[str, Any] = {
        "email_verified": True,
        "provider": "google",
        "anonymous": False,
        "aal": 2,
        "amr": ["fed", "otp"],
    }

    user = await asking.identity.end_user(BAKERY, asking.tenant_auth.token(**said))
    older = await asking.identity.end_user(BAKERY, asking.tenant_auth.token())

    assert user == EndUser("usr_eve", None, "user", {}, "ses_u", verified=True, provider="google", aal=2)
    assert older == EndUser("usr_eve", None, "user", {}, "ses_u")


@pytest.mark.parametrize("claim", ["aal", "anonymous", "claims", "email_verified", "provider", "role", "ver"])
async def test_a_users_token_with_a_claim_of_another_type_is_refused(asking: Asking, claim: str) -> None:
    wrong: dict[str, Any] = {claim: None}

    assert await asking.refused_user(asking.tenant_auth.token(**wrong))


async def test_the_first_use_of_a_users_access_token_is_reported_with_its_project(asking: Asking) -> None:
    tokens = [asking.tenant_auth.token(session="ses_a", gen=generation) for generation in (0, 2)]
    for token in (*tokens, *tokens):
        await asking.identity.end_user(BAKERY, token)

    await asking.identity.user_first_uses.flush()
    await asking.identity.user_first_uses.flush()

    assert asking.tenant_auth.first_uses == [FirstUse("ses_a", 2, BAKERY)]
    assert asking.bunauth.first_uses == []


async def test_a_developers_token_is_cached_after_its_first_verification(asking: Asking) -> None:
    token = asking.bunauth.token(role="admin")

    developer = await asking.identity.developer(token)
    asking.bunauth.calls.clear()

    assert await asking.identity.developer(token) == developer
    assert (developer.id, developer.email, developer.admin, developer.session) == (
        ADA,
        "ada@example.com",
        True,
        "ses_1",
    )
    assert not asking.bunauth.calls


async def test_a_new_token_of_a_known_signer_needs_no_call(asking: Asking) -> None:
    await asking.identity.developer(asking.bunauth.token("ses_1"))
    await asking.identity.end_user(BAKERY, asking.tenant_auth.token(session="ses_a"))

    await asking.identity.developer(asking.bunauth.token("ses_2"))
    await asking.identity.end_user(BAKERY, asking.tenant_auth.token(session="ses_b"))

    assert (asking.bunauth.calls, asking.tenant_auth.calls) == ({"jwks": 1}, {"jwks": 1})


async def test_a_key_and_a_membership_are_cached_after_the_first_call(asking: Asking) -> None:
    for _ in range(3):
        assert (await asking.identity.key_holder(SECRET)).kind is CallerKind.SECRET
        assert (await asking.identity.membership(ADA, "bakery")).project == BAKERY

    assert asking.platform.calls == {"key_holder": 1, "membership": 1}


async def test_unknown_credentials_are_not_cached(asking: Asking) -> None:
    with pytest.raises(InvalidKey):
        await asking.identity.key_holder("sk_new")
    with pytest.raises(ProjectNotFound):
        await asking.identity.membership("usr_new", BAKERY)
    asking.platform.holders["sk_new"] = asking.platform.holders[SECRET]
    asking.platform.roles["usr_new", BAKERY] = asking.platform.roles[ADA, BAKERY]

    assert await asking.identity.key_holder("sk_new")
    assert await asking.identity.membership("usr_new", BAKERY)


async def test_a_developers_token_is_refused_after_the_feed_ends_its_session(asking: Asking) -> None:
    token, other = asking.bunauth.token("ses_1"), asking.bunauth.token("ses_2")
    await asking.identity.developer(token)

    asking.bunauth.tell(RevokedKind.SESSION, "ses_1")

    await eventually(lambda: "ses_1" in asking.identity.ended_sessions)
    assert await asking.refused(token)
    assert not await asking.refused(other)


async def test_a_users_token_is_refused_after_the_feed_ends_its_session(asking: Asking) -> None:
    token = asking.tenant_auth.token(session="ses_u")
    await asking.identity.end_user(BAKERY, token)

    asking.tenant_auth.tell(RevokedKind.SESSION, "ses_u")

    await eventually(lambda: "ses_u" in asking.identity.ended_user_sessions)
    assert await asking.refused_user(token)


async def test_a_revoked_version_of_a_user_ends_every_session_and_the_next_version_is_valid(
    asking: Asking,
) -> None:
    before = [asking.tenant_auth.token(session="ses_a"), asking.tenant_auth.token(session="ses_b", ver=0)]
    after, another = asking.tenant_auth.token(session="ses_a", ver=1), asking.tenant_auth.token(sub="usr_ada")
    for token in before:
        await asking.identity.end_user(BAKERY, token)
        assert asking.identity.known_user(BAKERY, token)

    asking.tenant_auth.tell(RevokedKind.USER, user_version(LIBRARY, "usr_eve", 0))  # This is a user with the same id.
    await eventually(lambda: user_version(LIBRARY, "usr_eve", 0) in asking.identity.ended_user_sessions)
    assert not await asking.refused_user(before[0])
    asking.tenant_auth.tell(RevokedKind.USER, user_version(BAKERY, "usr_eve", 0))

    await eventually(lambda: user_version(BAKERY, "usr_eve", 0) in asking.identity.ended_user_sessions)
    for token in before:
        assert await asking.refused_user(token)
        assert asking.identity.known_user(BAKERY, token) is None
    for token in (after, another):
        assert not await asking.refused_user(token)


async def test_a_user_who_was_deleted_before_an_upgrade_stays_signed_out(asking: Asking) -> None:
    token = asking.tenant_auth.token()
    await asking.identity.end_user(BAKERY, token)

    asking.tenant_auth.tell(RevokedKind.USER, older_user_version("usr_eve", 0))
    await eventually(lambda: older_user_version("usr_eve", 0) in asking.identity.ended_user_sessions)

    assert await asking.refused_user(token)


async def test_while_the_feed_is_broken_an_old_version_of_a_user_is_refused(asking: Asking) -> None:
    old, new = asking.tenant_auth.token(), asking.tenant_auth.token(ver=1)
    await asking.identity.end_user(BAKERY, old)
    asking.tenant_auth.break_off()
    await eventually(lambda: not asking.identity.ended_user_sessions.live())

    asking.tenant_auth.version = 1

    assert await asking.refused_user(old)
    assert not await asking.refused_user(new)


async def test_a_custom_token_is_refused_as_an_access_token(asking: Asking) -> None:
    audience = f"{BAKERY}/custom-token"

    assert await asking.refused_user(asking.tenant_auth.token(type="custom"))
    assert await asking.refused_user(asking.tenant_auth.token(aud=audience))
    assert await asking.refused_user(asking.tenant_auth.token(type="custom", aud=audience))


async def test_a_personal_token_is_refused_after_the_feed_revokes_it(asking: Asking) -> None:
    token = asking.bunauth.personal_token("read")
    developer = await asking.identity.developer(token)
    await asking.identity.developer(token)
    assert (developer.session, developer.scopes, asking.bunauth.calls["verify"]) == ("", ("read",), 1)

    asking.bunauth.tell(RevokedKind.TOKEN, f"tok_{token}")

    await eventually(lambda: f"tok_{token}" in asking.identity.ended_sessions)
    assert await asking.refused(token)


async def test_the_feed_removes_a_revoked_key_from_the_cache(asking: Asking) -> None:
    await asking.identity.key_holder(SECRET)
    await asking.identity.key_holder("pk_bakery")
    del asking.platform.holders[SECRET]

    asking.platform.tell(RevokedKind.KEY, "key_s")

    await eventually(lambda: asking.identity.epoch == 1)
    assert await asking.refused_key(SECRET)
    await asking.identity.key_holder("pk_bakery")
    assert asking.platform.calls["key_holder"] == 3


async def test_the_keys_and_members_of_a_deleted_project_leave_the_cache(asking: Asking) -> None:
    await asking.identity.key_holder(SECRET)
    await asking.identity.key_holder("pk_library")
    await asking.identity.membership(ADA, "bakery")
    asking.platform.holders = {key: one for key, one in asking.platform.holders.items() if one.project != BAKERY}
    asking.platform.roles.clear()

    asking.platform.tell(RevokedKind.PROJECT, BAKERY)

    await eventually(lambda: asking.identity.epoch == 1)
    assert await asking.refused_key(SECRET)
    assert not await asking.refused_key("pk_library")
    with pytest.raises(ProjectNotFound):
        await asking.identity.membership(ADA, "bakery")


@pytest.mark.parametrize("lost", [f"{BAKERY}:{ADA}", f"{BAKERY}:", f":{ADA}"])
async def test_the_feed_removes_a_lost_membership_from_the_cache(asking: Asking, lost: str) -> None:
    """An organisation's member has the role in many projects, so the feed names the person alone."""
    await asking.identity.membership(ADA, BAKERY)
    asking.platform.roles.clear()

    asking.platform.tell(RevokedKind.MEMBERSHIP, lost)

    await eventually(lambda: asking.identity.epoch == 1)
    with pytest.raises(ProjectNotFound):
        await asking.identity.membership(ADA, BAKERY)


@pytest.mark.parametrize("lost", [f"{BAKERY}:usr_bob", "prj_other:", ":usr_bob"])
async def test_a_membership_that_others_lost_stays_in_the_cache(asking: Asking, lost: str) -> None:
    await asking.identity.membership(ADA, BAKERY)

    asking.platform.tell(RevokedKind.MEMBERSHIP, lost)

    await eventually(lambda: asking.identity.epoch == 1)
    await asking.identity.membership(ADA, BAKERY)
    assert asking.platform.calls["membership"] == 1


async def test_a_key_that_is_revoked_during_its_look_up_is_not_cached(asking: Asking) -> None:
    asking.platform.answering.clear()
    slow = asyncio.create_task(asking.identity.key_holder(SECRET))
    await eventually(
        lambda: asking.platform.calls["key_holder"]
    )  # the room has read the key, but has not returned it yet

    del asking.platform.holders[SECRET]
    asking.platform.tell(RevokedKind.KEY, "key_s")
    await eventually(lambda: asking.identity.epoch == 1)
    asking.platform.answering.set()
    await slow

    assert await asking.refused_key(SECRET)


async def test_a_role_that_is_lost_during_the_look_up_of_a_token_is_not_cached(asking: Asking) -> None:
    token = asking.bunauth.personal_token("admin")
    asking.bunauth.personal[token]["role"] = "admin"
    asking.bunauth.answering.clear()
    slow = asyncio.create_task(asking.identity.developer(token))
    await eventually(lambda: asking.bunauth.calls["verify"])  # The room has read the role, but has not returned it yet.

    asking.bunauth.personal[token] = asking.bunauth.personal[token] | {"role": "user"}
    asking.bunauth.tell(RevokedKind.ACCOUNT, ADA)
    await eventually(lambda: asking.identity.epoch == 1)
    asking.bunauth.answering.set()
    await slow

    assert not (await asking.identity.developer(token)).admin


async def test_while_a_feed_is_broken_every_check_calls_the_room(asking: Asking) -> None:
    developer, user = asking.bunauth.token(), asking.tenant_auth.token()
    await asking.identity.developer(developer)
    await asking.identity.end_user(BAKERY, user)
    await asking.identity.key_holder(SECRET)
    for room in (asking.bunauth, asking.tenant_auth, asking.platform):
        room.break_off()
    await eventually(lambda: not any(feed.live() for feed in feeds(asking)))
    assert not await asking.refused(developer)
    assert not await asking.refused_user(user)
    assert not await asking.refused_key(SECRET)

    asking.bunauth.ended.add("ses_1")
    asking.tenant_auth.ended.add("ses_u")
    del asking.platform.holders[SECRET]

    assert await asking.refused(developer)
    assert await asking.refused_user(user)
    assert await asking.refused_key(SECRET)


async def test_a_revocation_during_a_broken_feed_is_enforced_after_the_feed_reconnects(asking: Asking) -> None:
    token = asking.bunauth.token()
    await asking.identity.developer(token)
    await asking.identity.key_holder(SECRET)
    asking.bunauth.break_off()
    asking.platform.break_off()
    await eventually(lambda: not asking.identity.ended_sessions.live())
    asking.bunauth.tell(RevokedKind.SESSION, "ses_1")
    asking.platform.tell(RevokedKind.KEY, "key_s")
    del asking.platform.holders[SECRET]

    asking.bunauth.reachable = asking.platform.reachable = True

    await eventually(lambda: all(feed.live() for feed in feeds(asking)))
    assert await asking.refused(token)
    assert await asking.refused_key(SECRET)


async def test_the_gateway_starts_while_a_room_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.gateway.identity.READY_SECONDS", 0.01)
    asking = Asking()
    asking.bunauth.reachable = False

    async with asking.identity.following():
        assert not await asking.refused(asking.bunauth.token())
        assert asking.bunauth.calls == {"verify": 1}


async def test_an_expired_token_is_refused_even_if_it_is_cached(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, user = asking.bunauth.token(seconds=60), asking.tenant_auth.token(seconds=60)
    await asking.identity.developer(token)
    await asking.identity.end_user(BAKERY, user)
    for expired in (
        asking.identity.developer(asking.bunauth.token(seconds=-1)),
        asking.identity.end_user(BAKERY, asking.tenant_auth.token(seconds=-1)),
    ):
        with pytest.raises(TokenExpired):
            await expired

    now = time.time()
    monkeypatch.setattr("bunbase.gateway.identity.time.time", lambda: now + 61)

    with pytest.raises(TokenExpired):
        await asking.identity.developer(token)
    with pytest.raises(TokenExpired):
        await asking.identity.end_user(BAKERY, user)


async def test_a_cached_key_is_looked_up_again_after_it_expires(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    asking.platform.holders["sk_short"] = KeyHolder("key_x", BAKERY, CallerKind.SECRET, now + 60)
    await asking.identity.key_holder("sk_short")
    del asking.platform.holders["sk_short"]
    assert not await asking.refused_key("sk_short")

    monkeypatch.setattr("bunbase.gateway.identity.time.time", lambda: now + 61)

    assert await asking.refused_key("sk_short")


async def test_a_users_token_is_refused_in_another_project(asking: Asking) -> None:
    at_library = asking.tenant_auth.token(LIBRARY)
    await asking.identity.end_user(LIBRARY, at_library)

    assert await asking.refused_user(at_library)
    forged = signing_key(BAKERY).sign({"sub": "usr_eve", "aud": LIBRARY, "sid": "s", "type": "user", "exp": 4e9})
    assert await asking.refused_user(forged)  # The signing key is right, but the audience is wrong.


async def test_a_token_of_one_type_is_refused_as_another_type(asking: Asking) -> None:
    assert await asking.refused(asking.bunauth.token(type="refresh"))
    assert await asking.refused_user(asking.tenant_auth.token(type="access"))
    assert await asking.refused(asking.tenant_auth.token())
    assert await asking.refused_user(asking.bunauth.token())
    assert await asking.refused("bpt_unknown")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é.é.é", "x" * 9000, "bpt_"])
async def test_a_malformed_token_is_refused(asking: Asking, token: str) -> None:
    assert await asking.refused(token)
    assert await asking.refused_user(token)


async def test_twenty_tokens_of_an_unknown_signer_fetch_the_key_set_once(asking: Asking) -> None:
    stranger = SigningKey(new_private_key())
    token = stranger.sign({"sub": ADA, "sid": "s", "type": "access", "role": "admin", "email": "", "exp": 4e9})

    for _ in range(20):
        assert await asking.refused(token)

    assert asking.bunauth.calls["jwks"] == 1


async def test_a_token_with_a_new_key_id_fetches_the_key_set_again(
    asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bunbase.gateway.keyring.REFETCH_SECONDS", -1.0)
    await asking.identity.developer(asking.bunauth.token())

    asking.bunauth.signer = "developers, after a rotation"

    assert not await asking.refused(asking.bunauth.token())
    assert asking.bunauth.calls["jwks"] == 2


def feeds(asking: Asking) -> tuple[Revoked, ...]:
    identity = asking.identity
    return identity.ended_sessions, identity.ended_user_sessions, identity.changed_projects


async def test_a_room_that_hangs_does_not_hold_the_requests_of_signed_in_callers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stopped process once held each request for 35 seconds, the longest time of a call between rooms."""
    monkeypatch.setattr(identity_module, "CHECK_SECONDS", 0.02)
    asking = Asking()  # Nobody follows the feeds, so every check asks a room.
    user, developer = asking.tenant_auth.token(), asking.bunauth.token()
    assert (await asking.identity.end_user(BAKERY, user)).uid

    async def hang(*_: Any) -> Any:
        await asyncio.Event().wait()

    for room, methods in (
        (asking.tenant_auth, ("session_alive", "jwks")),
        (asking.bunauth, ("verify", "jwks")),
        (asking.platform, ("key_holder", "membership")),
    ):
        for method in methods:
            monkeypatch.setattr(room, method, hang)

    for checked in (
        asking.identity.end_user(BAKERY, user),
        asking.identity.end_user(LIBRARY, user),
        asking.identity.developer(developer),
        asking.identity.key_holder(SECRET),
        asking.identity.membership(ADA, BAKERY),
    ):
        with pytest.raises(Unreachable):
            await checked


async def test_tokens_of_a_replaced_signing_key_are_refused_although_they_are_cached(asking: Asking) -> None:
    token, kid = asking.bunauth.token(), signing_key("developers").kid
    assert not await asking.refused(token)

    asking.bunauth.tell(RevokedKind.SIGNING_KEY, kid)

    await eventually(lambda: kid in asking.identity.ended_sessions)
    assert asking.identity.developer_keys.verifiers.get("developers") is None, "the public keys are fetched again"
    assert await asking.refused(token)


async def test_users_tokens_of_a_replaced_key_are_refused_although_they_are_cached(asking: Asking) -> None:
    token, kid = asking.tenant_auth.token(), signing_key(BAKERY).kid
    assert (await asking.identity.end_user(BAKERY, token)).uid

    asking.tenant_auth.tell(RevokedKind.SIGNING_KEY, kid)

    await eventually(lambda: kid in asking.identity.ended_user_sessions)
    assert asking.identity.known_user(BAKERY, token) is None
    assert asking.identity.user_keys.verifiers.get(BAKERY) is None, "the public keys are fetched again"
    with pytest.raises(InvalidToken):
        await asking.identity.end_user(BAKERY, token)


async def test_public_keys_that_arrive_after_they_were_replaced_are_not_kept(asking: Asking) -> None:
    """The gateway requested the keys while tenant-auth replaced them. Anybody can cause this with an invented token."""
    tenant_auth, old, kid = asking.tenant_auth, asking.tenant_auth.token(), signing_key(BAKERY).kid
    tenant_auth.answering.clear()
    asked = asyncio.create_task(asking.refused_user(old))
    await eventually(lambda: tenant_auth.calls["jwks"] == 1)
    tenant_auth.signers[BAKERY] = "the next key of the bakery"
    tenant_auth.tell(RevokedKind.SIGNING_KEY, kid)
    await eventually(lambda: kid in asking.identity.ended_user_sessions)
    tenant_auth.answering.set()

    assert await asked
    assert not await asking.refused_user(tenant_auth.token())


async def test_the_public_keys_of_a_project_are_fetched_again_after_its_settings_have_changed(asking: Asking) -> None:
    tenant_auth = asking.tenant_auth
    for project in (BAKERY, LIBRARY):
        await asking.identity.end_user(project, tenant_auth.token(project))

    tenant_auth.tell(RevokedKind.SETTINGS, BAKERY)

    await eventually(lambda: asking.identity.user_keys.verifiers.get(BAKERY) is None)
    assert asking.identity.user_keys.verifiers.get(LIBRARY) is not None
    await asking.identity.end_user(BAKERY, tenant_auth.token(BAKERY, session="ses_v"))
    assert tenant_auth.calls["jwks"] == 3
    await asking.identity.end_user(BAKERY, tenant_auth.token(BAKERY))  # Nobody is signed out.
