"""Check and hash the new passwords of one project's users, with the settings of the project."""

from __future__ import annotations

import unicodedata

from bunbase.contracts.tenant_auth.settings import PasswordPolicy
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.new_passwords import NewPasswords
from bunbase.pkg.password_rules import PasswordRules, WeakReason, weak
from bunbase.pkg.passwords import Passwords, check_password
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.store.password_history import PasswordHistory


class UserPasswords:
    """New passwords of one project. `project`: the pool of its hashes.

    `history`: the earlier passwords of its users.
    """

    def __init__(
        self, passwords: Passwords, rules: PasswordRules, policy: PasswordPolicy, project: str, history: PasswordHistory
    ) -> None:
        self.passwords = passwords
        self.new = NewPasswords(passwords, rules, project)
        self.policy = policy
        self.project = project
        self.history = history

    def check_length(self, password: str) -> None:
        """Check the length of a password. Raises: InvalidInput."""
        check_password(password)
        if len(unicodedata.normalize("NFKC", password)) < self.policy.min_length:
            raise InvalidInput.at("/password", f"A password has at least {self.policy.min_length} characters here.")

    async def check(self, password: str, email: str) -> None:
        """Check a new password without storing it. Raises: InvalidInput, WeakPassword."""
        self.check_length(password)
        await self.new.rules.check(password, email)

    async def hash(self, password: str, email: str, person: Person | None = None) -> str:
        """Return the hash of a new password. `person`: the user who gets the password; None for a new user.

        Raises: InvalidInput, WeakPassword, SignInBusy.
        """
        self.check_length(password)
        if person is not None and await self._was_used(password, person):
            last = self.policy.history
            refused = "It is the present one." if last == 1 else f"It is one of the last {last} of this account."
            raise weak(WeakReason.USED, f"Choose a password that is new. {refused}")
        return await self.new.hash(password, email)

    async def _was_used(self, password: str, person: Person) -> bool:
        if not self.policy.history:
            return False
        earlier = await self.history.hashes(self.project, person.id)
        for hash in (person.password_hash, *earlier)[: self.policy.history]:
            if hash is not None and await self.passwords.matches(self.project, password, hash):
                return True
        return False
