"""Acts of members that need a session with a recent reauthentication."""

from __future__ import annotations

import pytest

from tests.gateway.door import door_of
from tests.gateway.others import BAKERY

AT = f"/api/projects/{BAKERY}"


@pytest.mark.parametrize(
    ("method", "path", "needs"),
    [
        ("DELETE", AT, True),
        ("GET", f"{AT}/env?reveal=true", True),
        ("GET", f"{AT}/env", False),
        ("POST", f"{AT}/backups/restore?users=true", True),
        ("POST", f"{AT}/backups/restore", False),
        ("POST", "/v1/auth/users/usr_eve/impersonate", True),
        ("POST", "/v1/auth/users/usr_eve/links", True),
        ("POST", "/v1/auth/users/bulk", True),
        ("POST", "/v1/auth/custom-token", True),
        ("DELETE", "/v1/auth/users/usr_eve", False),
    ],
)
async def test_a_dangerous_act_needs_a_fresh_proof(method: str, path: str, needs: bool) -> None:
    async with door_of() as door:

        async def refused(session: str) -> bool:
            headers = {"authorization": f"Bearer {door.bunauth.token(session)}", "x-bunbase-project": BAKERY}
            answer = await door.http.request(method, path, headers=headers)
            return "reauthentication_required" in answer.text

        assert (await refused("ses_unproved"), await refused("ses_1")) == (needs, False)
