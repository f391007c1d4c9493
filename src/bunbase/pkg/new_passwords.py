"""Check and hash the new password of an account."""

from __future__ import annotations

from bunbase.pkg.password_rules import PasswordRules
from bunbase.pkg.passwords import Passwords, check_password


class NewPasswords:
    """The new passwords of one pool. `pool` has the same meaning as in `passwords.py`."""

    def __init__(self, passwords: Passwords, rules: PasswordRules, pool: str) -> None:
        self.passwords = passwords
        self.rules = rules
        self.pool = pool

    async def hash(self, password: str, email: str) -> str:
        """Return the hash of a new password of the account with this address.

        Raises: InvalidInput, WeakPassword, SignInBusy.
        """
        check_password(password)
        await self.rules.check(password, email)
        return await self.passwords.hash(self.pool, password)
