"""Check and hash the new password of an account."""

from __future__ import annotations

from bunbase.bunauth.service.session_tokens import POOL
from bunbase.pkg.password_rules import PasswordRules
from bunbase.pkg.passwords import Passwords, check_password


class NewPasswords:
    def __init__(self, passwords: Passwords, rules: PasswordRules) -> None:
        self.passwords = passwords
        self.rules = rules

    async def hash(self, password: str, email: str) -> str:
        """Return the hash of a new password of the account with this address.

        Raises: InvalidInput, WeakPassword, SignInBusy.
        """
        check_password(password)
        await self.rules.check(password, email)
        return await self.passwords.hash(POOL, password)
