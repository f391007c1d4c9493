"""Fakes of the rooms that Platform calls. The fakes record their calls.

The fake of BunAuth has the accounts of `people.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from bunbase.contracts.bunauth.accounts import Account, SignedIn
from bunbase.contracts.bunauth.activity import UnauditedActivity
from bunbase.contracts.bunauth.identities import LoginProvider
from bunbase.contracts.bunauth.newcomers import InvitedAccount
from bunbase.contracts.bunauth.page_sign_in import ActPage, PageName, PageWays
from bunbase.contracts.bunauth.problems import (
    ChallengeExpired,
    EmailTaken,
    InvalidCredentials,
    SecondFactorRequired,
    WrongCode,
)
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.documents import StoredSize
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.caller import Caller
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.storage import Bucket, Buckets, Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.errors import Unreachable
from bunbase.pkg.modules import Rooms
from bunbase.pkg.passwords import check_password
from tests.fakes import FakeKms

PASSWORD, CODE = "correct horse battery", "123456"  # Every account has this password and this code.
SERVICES = (LoginProvider("github", "GitHub", "github"),)


class Hearing:
    """A room that records in `dropped` the projects that it was told to drop."""

    def __init__(self) -> None:
        self.reachable = True
        self.dropped: list[str] = []

    async def drop_project(self, project: str) -> None:
        if not self.reachable:
            raise Unreachable("This room is down.")
        self.dropped.append(project)


class FakeFiles(Hearing):
    """A fake of Storage: every project has the bucket `photos`."""

    async def buckets(self, caller: Caller) -> Buckets:
        return Buckets((Bucket(name="photos", created_at=datetime(2026, 1, 1, tzinfo=UTC)),))


class FakeUsers(Hearing):
    async def active_users_of_installation(self) -> int:
        return 7


class FakeFunctions(Hearing):
    """A fake of Functions.

    `paused` has the projects that are paused now, and `heard` has all received values in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paused: set[str] = set()
        self.heard: list[bool] = []

    async def pause_project(self, project: str, paused: bool) -> None:
        if not self.reachable:
            raise Unreachable("This room is down.")
        self.heard.append(paused)
        (self.paused.add if paused else self.paused.discard)(project)


class FakeBunAuth:
    """A fake of BunAuth that knows an account for every id, except for the ids in `deleted`.

    The check of a deletion raises `refusal`.

    The deletion of an account calls `meanwhile`, and then raises `dies`. `unaudited` is activity that the audit log
    needs. `two_factors` has the ids of the accounts that need a code. A newcomer with an address in `addresses` hears
    that an account exists. If `admits` is true, invitations open accounts. `opening` is called when an account was
    opened.
    """

    def __init__(self) -> None:
        self.deleted: set[str] = set()
        self.refusal: Exception | None = None
        self.dies: Exception | None = None
        self.two_factors: set[str] = set()
        self.unaudited: list[UnauditedActivity] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.addresses: set[str] = set()
        self.suspended: set[str] = set()
        self.admits = True
        self.opening: Callable[[], Awaitable[None]] | None = None

    async def unaudited_activity(self) -> tuple[UnauditedActivity, ...]:
        return tuple(self.unaudited)

    async def activity_audited(self, ids: tuple[str, ...]) -> None:
        self.unaudited = [one for one in self.unaudited if one.entry.id not in ids]

    async def identify_by_password(self, caller: Caller, email: str, password: str) -> Account:
        if password != PASSWORD:
            raise InvalidCredentials
        id = f"usr_{email.partition('@')[0]}"
        if id in self.two_factors:
            raise SecondFactorRequired(challenge=f"bsc_{id}", methods=["totp"])
        return account_of(id)

    async def page_ways(self, to: ActPage, cookie: str) -> PageWays:
        """In this fake, a pass is the name of an account or the address of a newcomer.

        A pass is valid for an invitation.
        """
        if "@" in cookie:
            return PageWays(SERVICES, newcomer=cookie)
        return PageWays(SERVICES, cookie if cookie and to.page is PageName.INVITE else "")

    async def identify_by_pass(self, caller: Caller, to: ActPage, cookie: str) -> Account:
        if not (await self.page_ways(to, cookie)).email:
            raise ChallengeExpired("Sign in again.")
        return account_of(f"usr_{cookie}")

    async def identify_by_code(self, caller: Caller, challenge: str, code: str) -> Account:
        if challenge == "expired":
            raise ChallengeExpired("Sign in again.")
        if code != CODE:
            raise WrongCode
        return account_of(challenge.removeprefix("bsc_"))

    async def admits_newcomers(self, inviter: str) -> bool:
        return self.admits

    async def acts(self, account: str) -> bool:
        return account not in self.deleted | self.suspended

    async def has_account(self, email: str) -> bool:
        return email in self.addresses

    async def open_invited_on_page(self, caller: Caller, new: InvitedAccount) -> Account:
        if new.email in self.addresses:
            raise EmailTaken
        check_password(new.password)
        self.addresses.add(new.email)
        if self.opening is not None:
            await self.opening()
        return account_of(f"usr_{new.email.partition('@')[0]}")

    async def open_invited(self, caller: Caller, new: InvitedAccount) -> SignedIn:
        return SignedIn(await self.open_invited_on_page(caller, new), "access", "refresh", 900)

    async def open_invited_by_pass(self, caller: Caller, to: ActPage, cookie: str, email: str, inviter: str) -> Account:
        if cookie != email or not self.admits:
            raise ChallengeExpired("Sign in again.")
        return await self.open_invited_on_page(caller, InvitedAccount(email, inviter, "", PASSWORD))

    async def check_account_deletion(self, caller: Caller) -> None:
        if self.refusal is not None:
            raise self.refusal

    async def delete_account(self, caller: Caller) -> None:
        if self.meanwhile is not None:
            await self.meanwhile()
        if self.dies is not None:
            raise self.dies
        self.deleted.add(caller.signed_in().id)

    async def accounts(self, ids: tuple[str, ...]) -> tuple[Account, ...]:
        return tuple(account_of(id) for id in ids if id not in self.deleted)


def account_of(id: str) -> Account:
    name = id.removeprefix("usr_")
    return Account(id, f"{name}@example.com", name.title(), "user", datetime(2026, 1, 1, tzinfo=UTC))


class FakeBundoc(Hearing):
    """A fake of Bundoc. `sizes` has the sizes that it reports."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: dict[str, StoredSize] = {}

    async def stored_sizes(self, projects: tuple[str, ...]) -> dict[str, StoredSize]:
        return {project: size for project, size in self.sizes.items() if project in projects}

    async def stored_bytes(self) -> int:
        return sum(size.bytes for size in self.sizes.values())


class FakeRooms:
    def __init__(self) -> None:
        self.bunauth = FakeBunAuth()
        self.kms = FakeKms(lazy=False)
        self.tenant_auth, self.bundoc, self.functions = FakeUsers(), FakeBundoc(), FakeFunctions()
        self.buncast = Hearing()
        self.storage = FakeFiles()

    def rooms(self) -> Rooms:
        return Rooms(
            {
                Kms: self.kms,
                BunAuth: self.bunauth,
                TenantAuth: self.tenant_auth,
                Bundoc: self.bundoc,
                Buncast: self.buncast,
                Storage: self.storage,
                Functions: self.functions,
            },
        )

    def have_heard(self, project: str) -> bool:
        hearing = (self.tenant_auth, self.bundoc, self.buncast, self.storage, self.functions)
        return project in self.kms.destroyed and all(project in room.dropped for room in hearing)
