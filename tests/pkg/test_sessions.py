from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.exceptions import InvalidTag

from bunbase.pkg.opaque import fingerprint
from bunbase.pkg.sessions import (
    RefreshToken,
    SessionSettings,
    Standing,
    new_pair,
    new_session,
    revoked_until,
    standing,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = SessionSettings()
LATER, EARLIER, JUST_NOW, LONG_AGO = (NOW + timedelta(seconds=seconds) for seconds in (1, -1, -9.999, -10))


@pytest.mark.parametrize(
    ("used_at", "sealed", "expires_at", "ended_at", "expected"),
    [
        (None, None, LATER, None, Standing.FRESH),
        (None, None, NOW, None, Standing.EXPIRED),
        (None, None, LATER, EARLIER, Standing.ENDED),
        (None, None, EARLIER, EARLIER, Standing.ENDED),
        (JUST_NOW, b"pair", LATER, None, Standing.RETRY),
        (LATER, b"pair", LATER, None, Standing.RETRY),  # A process whose clock is ahead used the token.
        (JUST_NOW, b"pair", LATER, EARLIER, Standing.ENDED),
        (JUST_NOW, b"pair", NOW, None, Standing.EXPIRED),
        (JUST_NOW, None, LATER, None, Standing.REUSED),
        (LONG_AGO, b"pair", LATER, None, Standing.REUSED),
        (LONG_AGO, b"pair", EARLIER, None, Standing.REUSED),
        (LONG_AGO, None, LATER, EARLIER, Standing.REUSED),
    ],
)
def test_the_state_of_a_refresh_token_follows_from_its_times(
    used_at: datetime | None,
    sealed: bytes | None,
    expires_at: datetime,
    ended_at: datetime | None,
    expected: Standing,
) -> None:
    token = RefreshToken("ses_one", "usr_ada", expires_at, used_at, sealed, LATER, ended_at)

    assert standing(token, NOW, SETTINGS) is expected


def test_without_a_grace_period_a_used_refresh_token_counts_as_reused() -> None:
    token = RefreshToken("ses_one", "usr_ada", LATER, NOW, b"pair", LATER, None)

    assert standing(token, NOW, SessionSettings(reuse_grace_seconds=0)) is Standing.REUSED


def test_a_refresh_token_never_outlives_its_session() -> None:
    session = new_session("usr_ada", "127.0.0.1", "tests", NOW, SETTINGS)

    early = new_pair("brt", ("access", 0), session.expires_at, NOW, SETTINGS)
    late = new_pair("brt", ("access", 0), session.expires_at, session.expires_at - timedelta(hours=1), SETTINGS)

    assert session.expires_at == NOW + timedelta(days=180)
    assert early.refresh_expires_at == NOW + timedelta(days=30)
    assert late.refresh_expires_at == session.expires_at


def test_only_the_old_refresh_token_opens_the_sealed_new_pair() -> None:
    pair = new_pair("brt", ("access", 1), LATER, NOW, SETTINGS)

    sealed = pair.sealed_with("brt_old")
    old = RefreshToken("ses_one", "usr_ada", LATER, NOW, sealed, LATER, None)

    assert old.traded_for("brt_old") == pair
    assert pair.refresh_token.encode() not in sealed
    for other in ("brt_other", fingerprint("brt_old").hex()):
        with pytest.raises(InvalidTag):
            old.traded_for(other)


def test_a_revocation_outlives_every_access_token_of_its_session() -> None:
    assert revoked_until(NOW, SETTINGS.access_ttl_seconds) > NOW.timestamp() + SETTINGS.access_ttl_seconds
