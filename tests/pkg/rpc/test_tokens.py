"""Service tokens. A process signs only for rooms whose keys it has; a token is valid for one room and five minutes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from joserfc import jwt

from bunbase.pkg.errors import CannotStart, Forbidden, Unauthenticated
from bunbase.pkg.rpc.admission import CLIENTS, admission
from bunbase.pkg.rpc.room_keys import BadKey, derived_keys, given_keys, public_key, room_secret
from bunbase.pkg.rpc.tokens import ALGORITHM, LIFETIME_SECONDS, Passport, ServiceTokens

OLD, NEW = "the old secret of the whole installation", "the new secret of the whole installation"
ROOMS = ("cellar", "hall")
NOW = 1_000_000.0


def tokens(*own: str, secrets: tuple[str, ...] = (OLD,)) -> ServiceTokens:
    return ServiceTokens(derived_keys(secrets, own, ROOMS), lambda: NOW)


def forged(claims: dict[str, Any], room: str = "hall") -> str:
    """Return a token with any claims, signed with the real key of a room."""
    key = derived_keys([OLD], [room], ()).own[room]
    whole = {"sub": room, "aud": "cellar", "type": "service", "iat": int(NOW), "exp": int(NOW) + 60} | claims
    return jwt.encode({"alg": ALGORITHM, "kid": key.id}, whole, key.key, algorithms=[ALGORITHM])


def test_a_token_names_the_calling_and_the_called_room() -> None:
    token = tokens("hall").mint("hall", "cellar")

    assert tokens("cellar").check(token) == Passport("hall", "cellar")


def test_a_process_cannot_sign_for_a_room_whose_secret_it_does_not_hold() -> None:
    """The process has the secret of one room and the public keys of all rooms."""
    public = {room: [public_key(room_secret(OLD, room))] for room in ROOMS}
    hall = given_keys({"hall": room_secret(OLD, "hall")}, public)

    with pytest.raises(CannotStart, match="does not have the key of cellar"):
        ServiceTokens(hall).mint("cellar", "hall")
    with pytest.raises(Unauthenticated, match="signed with the key of another room"):
        tokens().check(forged({"sub": "cellar"}))


def test_each_room_and_each_secret_yields_another_key() -> None:
    secrets = {room_secret(secret, room) for secret in (OLD, NEW) for room in ROOMS}

    assert len(secrets) == 4
    assert room_secret(OLD, "hall") == room_secret(OLD, "hall")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(NOW)},
        {"exp": int(NOW) + 3600},
        {"exp": "soon"},
        {"exp": 10**400},
        {"aud": 7},
        {"aud": ["cellar", "hall"]},
        {"sub": ""},
    ],
)
def test_a_signed_token_with_unusual_claims_is_refused(claims: dict[str, Any]) -> None:
    """Even the holder of a room's key cannot make tokens that stay valid after a change of keys."""
    with pytest.raises(Unauthenticated):
        tokens().check(forged(claims))


@pytest.mark.parametrize(
    "token", ["", "nonsense", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\u00ff.x.y", "." * 300, "x" * 2000]
)
def test_a_malformed_token_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens().check(token)


def test_a_token_is_renewed_before_it_expires() -> None:
    now = [NOW]
    ours = ServiceTokens(derived_keys([OLD], ["hall"], ROOMS), lambda: now[0])
    first = ours.current("hall", "cellar")

    now[0] += LIFETIME_SECONDS - 61
    same = ours.current("hall", "cellar")
    now[0] += 2
    second = ours.current("hall", "cellar")

    assert same == first
    assert second != first
    assert ours.check(second) == Passport("hall", "cellar")


def test_a_token_is_renewed_after_the_clock_was_set_back() -> None:
    """Other processes refuse a token that expires too far in the future, so it must not stay in use."""
    now = [NOW]
    ours = ServiceTokens(derived_keys([OLD], ["hall"], ROOMS), lambda: now[0])
    ours.current("hall", "cellar")

    now[0] -= 3600
    theirs = ServiceTokens(derived_keys([OLD], ["cellar"], ROOMS), lambda: now[0])

    assert theirs.check(ours.current("hall", "cellar")) == Passport("hall", "cellar")


def test_processes_with_one_secret_and_with_keys_per_room_accept_each_other() -> None:
    """Because of this, an installation can change to keys per room, one process after the other."""
    public = {room: [public_key(room_secret(OLD, room))] for room in ROOMS}
    strict = ServiceTokens(given_keys({"hall": room_secret(OLD, "hall")}, public), lambda: NOW)

    assert tokens("cellar").check(strict.mint("hall", "cellar")) == Passport("hall", "cellar")
    assert strict.check(tokens("cellar").mint("cellar", "hall")) == Passport("cellar", "hall")


def test_processes_accept_each_other_in_every_step_of_a_change_of_the_secret() -> None:
    """First all processes accept the new secret, then all sign with it, then all drop the old one."""
    steps = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]

    for before, after in itertools.pairwise(steps):
        for here, there in ((before, after), (after, before)):
            token = tokens("hall", secrets=here).mint("hall", "cellar")
            assert tokens("cellar", secrets=there).check(token).room == "hall"
    with pytest.raises(Unauthenticated, match="key of this service token is not known"):
        tokens(secrets=(NEW,)).check(tokens("hall").mint("hall", "cellar"))


def test_the_cache_of_checked_tokens_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bunbase.pkg.rpc.tokens.MAX_REMEMBERED", 10)
    ours = tokens("hall")

    for number in range(15):
        ours.check(ours.mint("hall", f"cellar {number}"))

    assert len(ours._checked) == 10


def test_a_token_for_one_room_is_refused_by_another_room() -> None:
    """A called room cannot use the token to call a third room in the name of its caller."""
    table = {"cellar": {"hall": frozenset({"fetch"})}, "attic": {"hall": frozenset({"dust"})}}
    admit = admission(table, {})

    admit(Passport("hall", "cellar"), "cellar.fetch", {})
    with pytest.raises(Forbidden, match="meant for cellar"):
        admit(Passport("hall", "cellar"), "attic.dust", {})
    for passport, method in (
        (Passport("hall", "cellar"), "cellar.lock"),
        (Passport("attic", "cellar"), "cellar.fetch"),
        (Passport("", ""), "cellar.fetch"),
        (Passport("hall", "garden"), "garden.dig"),
    ):
        with pytest.raises(Forbidden):
            admit(passport, method, {})


def test_a_client_token_does_not_get_the_rights_of_the_room_that_issued_it() -> None:
    """A client may call only the methods that the table lists for clients."""
    table = {"cellar": {"hall": frozenset({"fetch"}), CLIENTS: frozenset({"look"})}}
    client = tokens().check(tokens("hall").mint("hall", "cellar", client="billing"))

    admission(table, {})(client, "cellar.look", {})
    with pytest.raises(Forbidden, match="clients may not call"):
        admission(table, {})(client, "cellar.fetch", {})


@pytest.mark.parametrize("text", ["", "short", "=" * 43, "A" * 42, "A" * 44, "A" * 43 + "=", "A" * 42 + "B", "é" * 43])
def test_a_malformed_key_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        given_keys({"hall": text}, {})
    with pytest.raises(BadKey):
        given_keys({}, {"hall": [text]})
