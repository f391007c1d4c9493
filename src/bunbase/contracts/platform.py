"""Platform, the control plane: projects, organisations, their members and invitations, and the keys of projects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from bunbase.contracts.audit import AuditLog
from bunbase.contracts.caller import Caller, CallerKind, Role
from bunbase.contracts.invitations import AcceptedInvite as AcceptedInvite
from bunbase.contracts.invitations import Invite as Invite
from bunbase.contracts.invitations import InvitedRegistration as InvitedRegistration
from bunbase.contracts.invitations import InvitedSignIn as InvitedSignIn
from bunbase.contracts.invitations import InviteNotFound as InviteNotFound
from bunbase.contracts.invitations import Invites as Invites
from bunbase.contracts.invitations import MemberInvitations
from bunbase.contracts.invitations import Opening as Opening
from bunbase.contracts.invitations import OpenInvitation as OpenInvitation
from bunbase.contracts.keys import KeyChanges, KeyLimits, UsedKey
from bunbase.contracts.places import Organisation as Organisation
from bunbase.contracts.places import Project as Project
from bunbase.contracts.project_administration import ProjectAdministration
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.s3_credentials import S3CredentialMethods
from bunbase.contracts.service_accounts import (
    NewServiceAccount,
    ServiceAccessToken,
    ServiceAccount,
    ServiceAccounts,
    TokenRequest,
)
from bunbase.pkg.errors import Problem
from bunbase.pkg.mail.letters import DevMail
from bunbase.pkg.rpc.wire import waits_for_news

UNLIMITED: Final = KeyLimits()


class ProjectNotFound(Problem):
    """Developers who are not members get this answer too, so that it does not reveal whether the project exists."""

    status, code, title = 404, "project_not_found", "There is no such project, or you are not a member of it"


class ProjectKeyNotFound(Problem):
    status, code, title = 404, "project_key_not_found", "This project has no such key"


class ProjectDeleted(Problem):
    """Only members get this answer."""

    status, code, title = 410, "project_deleted", "This project is deleted"


class OrganisationNotFound(Problem):
    """Accounts that are not members get this answer too, so that it does not reveal whether the organisation exists."""

    status, code, title = 404, "organisation_not_found", "There is no such organisation, or you are not a member of it"


class PersonalOrganisation(Problem):
    status, code, title = 409, "personal_organisation", "A personal organisation has exactly one member"


class OrganisationNotEmpty(Problem):
    status, code, title = 409, "organisation_not_empty", "This organisation still has projects"


class MemberNotFound(Problem):
    status, code, title = 404, "member_not_found", "There is no such member"


class LastOwner(Problem):
    status, code, title = 409, "last_owner", "An organisation must keep one owner"


class AccountOwnsProjects(Problem):
    """`projects`: the slugs of projects that have no other owner, at most 20."""

    status, code, title = 409, "account_owns_projects", "This account is the only owner of projects"


class RoleFromOrganisation(Problem):
    status, code, title = 409, "role_from_organisation", "This role comes from the project's organisation"


class ConfirmationNeeded(Problem):
    status, code, title = 422, "confirmation_needed", "The confirmation does not match the project"


class InvalidKey(Problem):
    status, code, title = 401, "invalid_key", "This project key is not valid"


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """A project key.

    `key`: present only in the answer to the request that created the key. `hint`: the first characters of the key,
    which distinguish it from other keys. `scopes`, `origins`, `allow_browser`: the same as in KeyLimits.
    `last_used_at`: the time of the last use, exact to about a minute.
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


class NewProject(msgspec.Struct, frozen=True):
    id: str
    name: str
    slug: str
    role: Role
    created_at: datetime
    keys: tuple[Key, ...]
    org: str = ""


class ProjectChanges(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None leaves a setting unchanged."""

    name: str | None = None


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
    """`role`: the stronger of the roles in the project and in its organisation. `suspended`: true if the project is
    suspended, so that its members may change nothing.
    """

    developer: str
    project: str
    slug: str
    role: Role
    suspended: bool = False


class Organisations(msgspec.Struct, frozen=True):
    items: tuple[Organisation, ...]
    next: str | None


class Person(msgspec.Struct, frozen=True):
    """`email` and `name` are empty if the account was deleted."""

    id: str
    email: str
    name: str


class Through(StrEnum):
    """The place in which the membership in a project is stored."""

    PROJECT = "project"
    ORGANISATION = "organisation"


class Member(msgspec.Struct, frozen=True):
    """A member of a project or of an organisation.

    `role`: the role of the member. In a project, this is the stronger of the role in the project and the role in its
    organisation.
    `through`: "organisation" if the person has no role in the project itself.
    """

    user: Person
    role: Role
    since: datetime
    through: Through


class Members(msgspec.Struct, frozen=True):
    items: tuple[Member, ...]
    next: str | None


class Platform(AuditLog, MemberInvitations, ProjectAdministration, S3CredentialMethods, Protocol):
    """In methods about members and invitations, `org` is an organisation's id or slug, or None for the caller's
    project.

    All methods with an `org` raise OrganisationNotFound if the caller is not a member of the organisation.
    """

    async def create_project(self, caller: Caller, name: str, org: str | None = None) -> NewProject:
        """Create a project with its own encryption key; the caller becomes its owner.

        `org`: the organisation of the project; None for the caller's personal organisation. Raises: InvalidInput,
        OrganisationNotFound, Forbidden.
        """
        ...

    async def projects(self, caller: Caller, limit: int, cursor: str | None, deleted: bool = False) -> Projects:
        """Return the caller's projects, newest first. `deleted`: if true, return the deleted projects that can be
        restored.

        Raises: InvalidCursor.
        """
        ...

    async def project(self, caller: Caller) -> Project: ...

    async def update_project(self, caller: Caller, changes: ProjectChanges) -> Project: ...

    async def delete_project(self, caller: Caller, confirm: str, now: bool = False) -> None:
        """Stop the project: its keys and members are refused, its functions do not run. The project can be restored
        for 7 days.

        After 7 days, or at once if `now` is true, its encryption key is destroyed, and soon after, all of its data.
        `confirm` must be the project's slug. Raises: ConfirmationNeeded, Forbidden.
        """
        ...

    async def restore_project(self, caller: Caller) -> Project:
        """Restore a deleted project as it was. Change nothing if the project is not deleted. Raises:
        ProjectNotFound.
        """
        ...

    async def transfer_project(self, caller: Caller, org: str) -> Project:
        """Move the project to another organisation. The caller must own the project, and be an admin of `org`.

        Raises: OrganisationNotFound, Forbidden, InvalidInput if the organisation cannot have more projects.
        """
        ...

    async def create_org(self, caller: Caller, name: str) -> Organisation:
        """Create an organisation; the caller becomes its owner. Raises: InvalidInput."""
        ...

    async def orgs(self, caller: Caller, limit: int, cursor: str | None) -> Organisations:
        """Return the caller's organisations, newest first. Raises: InvalidCursor."""
        ...

    async def org(self, caller: Caller, org: str) -> Organisation: ...

    async def rename_org(self, caller: Caller, org: str, name: str) -> Organisation: ...

    async def delete_org(self, caller: Caller, org: str, confirm: str) -> None:
        """Delete an organisation without projects. `confirm` must be its slug.

        Raises: ConfirmationNeeded, OrganisationNotEmpty, PersonalOrganisation.
        """
        ...

    async def members(self, caller: Caller, org: str | None, limit: int, cursor: str | None) -> Members:
        """Return the members, in the order of their account ids. Raises: InvalidCursor."""
        ...

    async def add_member(self, caller: Caller, user: str, role: Role) -> Member:
        """Add a member of the project's organisation to the project. Other people need an invitation.

        Raises: MemberNotFound, Forbidden.
        """
        ...

    async def change_member(self, caller: Caller, org: str | None, user: str, role: Role) -> Member:
        """Raises: MemberNotFound, RoleFromOrganisation, LastOwner, Forbidden."""
        ...

    async def remove_member(self, caller: Caller, org: str | None, user: str) -> None:
        """Remove a member, who may be the caller. Raises: MemberNotFound, RoleFromOrganisation, LastOwner, Forbidden.

        The last owner of an organisation cannot be removed.
        """
        ...

    async def delete_account(self, caller: Caller) -> None:
        """Remove the caller from all projects and organisations, and delete the account.

        Raises: AccountOwnsProjects, LastOwner, ReauthenticationRequired, LastAdministrator, Forbidden.
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
        """Store when keys were last used. Unknown ids are ignored. Only the gateway calls this method."""
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
        """Return a service token for a client that proves its identity.

        Raises: TokenRefused, KeyNotFound, KeyDestroyed.
        """
        ...

    async def service_holder(self, project: str, id: str) -> KeyHolder:
        """Return the limits of the secret key or service account that got a token.

        Raises: InvalidKey, ProjectSuspended.
        """
        ...

    async def membership(self, developer: str, project: str) -> Membership:
        """Return the role of a developer in a project. `project`: the id or slug of the project.

        Raises: ProjectNotFound, ProjectDeleted.
        """
        ...

    async def custody(self, developer: str, project: str) -> Membership:
        """Return the role of a developer in a project that may be deleted. Raises: ProjectNotFound."""
        ...

    async def project_of(self, slug: str) -> str:
        """Return the id of the project with this slug. Raises: ProjectNotFound, ProjectSuspended."""
        ...

    async def check_active(self, project: str) -> None:
        """Check that a project is not suspended. A project that does not exist counts as active.

        Raises: ProjectSuspended.
        """
        ...

    async def inspection(self, developer: str, project: str) -> Membership:
        """Return the membership of a viewer, for an administrator of the installation who is not a member.

        `project`: the id or slug of the project. Raises: ProjectNotFound.
        """
        ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode; see `BunAuth.dev_mails`."""
        ...

    @waits_for_news
    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield earlier revocations of keys and projects that caches may still hold, then READY, then each new
        revocation.
        """
        ...
