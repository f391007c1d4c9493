"""Platform, the control plane: projects, their keys and their members."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final, Protocol

import msgspec

from bunbase.contracts.audit import AuditLog
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.keys import KeyChanges, KeyLimits, UsedKey
from bunbase.contracts.project_administration import ProjectAdministration
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccessToken,
    ServiceAccount,
    ServiceAccounts,
    TokenRequest,
)
from bunbase.pkg.errors import Problem
from bunbase.pkg.mail.letters import DevMail

UNLIMITED: Final = KeyLimits()


class ProjectNotFound(Problem):
    """Developers who are not members get this answer too, so that it does not reveal whether the project exists."""

    status, code, title = 404, "project_not_found", "There is no such project, or you are not a member of it"


class ProjectKeyNotFound(Problem):
    status, code, title = 404, "project_key_not_found", "This project has no such key"


class ConfirmationNeeded(Problem):
    status, code, title = 422, "confirmation_needed", "The confirmation does not match the project"


class InvalidKey(Problem):
    status, code, title = 401, "invalid_key", "This project key is not valid"


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """A project key.

    `key`: present only in the answer to the request that created the key. `hint`: the first characters of the key, to
    tell keys apart. `scopes`, `origins`, `allow_browser`: as in KeyLimits. `last_used_at`: exact to about a minute.
    """

    id: str
    kind: CallerKind
    name: str
    hint: str
    created_at: datetime
    expires_at: datetime | None
    key: str | None = None
    scopes: tuple[str, ...] | None = None
    origins: tuple[str, ...] = ()
    allow_browser: bool = False
    last_used_at: datetime | None = None

    @property
    def limits(self) -> KeyLimits:
        return KeyLimits(self.scopes, self.origins, self.allow_browser)


class Keys(msgspec.Struct, frozen=True):
    items: tuple[Key, ...]
    next: str | None = None


class Project(msgspec.Struct, frozen=True):
    """`role`: the role of the caller in this project."""

    id: str
    name: str
    slug: str
    role: Role
    created_at: datetime


class NewProject(msgspec.Struct, frozen=True):
    id: str
    name: str
    slug: str
    role: Role
    created_at: datetime
    keys: tuple[Key, ...]


class Projects(msgspec.Struct, frozen=True):
    items: tuple[Project, ...]
    next: str | None


class KeyHolder(msgspec.Struct, frozen=True):
    """The project and kind of a key; `expires_at`: Unix seconds, 0 for never."""

    key_id: str
    project: str
    kind: CallerKind
    expires_at: float = 0.0
    limits: KeyLimits = KeyLimits()


class Membership(msgspec.Struct, frozen=True):
    """`suspended`: the project is suspended, so its members may change nothing."""

    project: str
    slug: str
    role: Role
    suspended: bool = False


class Platform(AuditLog, ProjectAdministration, Protocol):
    async def create_project(self, caller: Caller, name: str) -> NewProject:
        """Create a project with its own encryption key; the caller becomes its owner. Raises: InvalidInput."""
        ...

    async def projects(self, caller: Caller, limit: int, cursor: str | None) -> Projects:
        """Return the caller's projects, newest first. Raises: InvalidCursor."""
        ...

    async def project(self, caller: Caller) -> Project: ...

    async def rename_project(self, caller: Caller, name: str) -> Project: ...

    async def delete_project(self, caller: Caller, confirm: str) -> None:
        """Destroy the project's key and, soon after, all of the project's data. `confirm` must be the project's slug.

        Raises: ConfirmationNeeded, Forbidden.
        """
        ...

    async def keys(self, caller: Caller) -> Keys:
        """Return the project's keys, newest first. A project has at most 100 keys."""
        ...

    async def create_key(
        self,
        caller: Caller,
        kind: CallerKind,
        name: str,
        expires_in_seconds: int | None,
        limits: KeyLimits = UNLIMITED,
    ) -> Key:
        """Create a key. Raises: InvalidInput, Forbidden."""
        ...

    async def update_key(self, caller: Caller, id: str, changes: KeyChanges) -> Key:
        """Change the name or the limits of a key. Raises: ProjectKeyNotFound, InvalidInput."""
        ...

    async def keys_used(self, used: tuple[UsedKey, ...]) -> None:
        """Store when keys were last used. Unknown ids are ignored. Only the gateway calls this."""
        ...

    async def revoke_key(self, caller: Caller, id: str) -> None: ...

    async def rotate_key(self, caller: Caller, id: str, grace_seconds: int) -> Key:
        """Return a new key with the same kind and name; the old key stays valid for `grace_seconds`."""
        ...

    async def key_holder(self, key: str) -> KeyHolder:
        """Return the project and kind of a key. Raises: InvalidKey, ProjectSuspended."""
        ...

    async def service_accounts(self, caller: Caller) -> ServiceAccounts:
        """Return the project's service accounts, newest first. A project has at most 100 service accounts."""
        ...

    async def create_service_account(self, caller: Caller, new: NewServiceAccount) -> ServiceAccount:
        """Create a service account; only this answer has its secret. Raises: InvalidInput, Forbidden."""
        ...

    async def delete_service_account(self, caller: Caller, client_id: str) -> None:
        """Raises: ServiceAccountNotFound."""
        ...

    async def exchange_token(self, asked: TokenRequest) -> ServiceAccessToken:
        """Return a service token for a client that proves who it is.

        Raises: TokenRefused, KeyNotFound, KeyDestroyed.
        """
        ...

    async def service_holder(self, project: str, id: str) -> KeyHolder:
        """Return the limits of the secret key or service account that got a token.

        Raises: InvalidKey, ProjectSuspended.
        """
        ...

    async def membership(self, developer: str, project: str) -> Membership:
        """Return the role of a developer in a project. `project`: its id or slug. Raises: ProjectNotFound."""
        ...

    async def project_of(self, slug: str) -> str:
        """Return the id of the project with this slug. Raises: ProjectNotFound, ProjectSuspended."""
        ...

    async def check_active(self, project: str) -> None:
        """Check that a project is not suspended. A project that does not exist counts as active.

        Raises: ProjectSuspended.
        """
        ...

    async def inspection(self, project: str) -> Membership:
        """Return the membership of a viewer, for an administrator of the installation who is no member.

        `project`: its id or slug. Raises: ProjectNotFound.
        """
        ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode; see `BunAuth.dev_mails`."""
        ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield earlier revocations of keys and projects that caches may still hold, then READY, then each new one."""
        ...
