"""The state of the fake server, which tests read and change."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar import Request

from bunbase.contracts.bunauth.accounts import Account, AccountSession, SignedIn
from bunbase.contracts.bunauth.administration import AccountRole, ManagedAccount
from bunbase.contracts.bunauth.factors import Passkey
from bunbase.contracts.bunauth.invites import AccountInvite
from bunbase.contracts.bunauth.openid import Authorization, OAuthClient
from bunbase.contracts.bunauth.problems import ReauthenticationRequired, TokenExpired
from bunbase.contracts.bunauth.tokens import PersonalToken
from bunbase.contracts.caller import CallerKind, Role
from bunbase.contracts.functions.deployments import FunctionConfig, Version
from bunbase.contracts.functions.logs import LogLevel, LogLine
from bunbase.contracts.functions.problems import (
    FunctionNotFound,
)
from bunbase.contracts.functions.triggers import (
    Job,
    JobNotFound,
    JobStatus,
    NewJob,
    Run,
    ScheduleState,
    TriggerKind,
)
from bunbase.contracts.platform import Invite, Key, Organisation, Project, ProjectDeleted, ProjectNotFound
from bunbase.contracts.s3_credentials import S3Credential
from bunbase.contracts.service_accounts import ServiceAccount
from bunbase.contracts.tenant_auth.signups import OpenUserInvite
from bunbase.contracts.tenant_auth.users import ManagedUser
from bunbase.pkg.errors import Problem, Unauthenticated
from bunbase.pkg.identity.problems import InvalidToken
from bunbase.tenant_auth.store.settings import StoredSettings

AnyRequest = Request[Any, Any, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EMAIL, PASSWORD = "ada@example.com", "correct horse"
REQUEST_ID = "req_test"
LINES_A_CONNECTION = 2  # The log stream ends after this number of lines, as when a server restarts.


class Upload(msgspec.Struct):
    code: bytes
    source_map: bytes
    config: dict[str, Any]


class FakeApi:
    """The state of the server, which tests read and change."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.access: set[str] = set()
        self.fresh: set[str] = set()
        self.spent: set[str] = set()
        self.issued = 0
        self.refreshes = 0
        self.device_client = ""
        self.device_errors: list[type[Problem]] = []
        self.setup_complete = True
        self.without_factors: list[str] = []  # An administrator has removed the factors of these accounts.
        self.suspended: list[str] = []  # An administrator has suspended these accounts.
        self.all_accounts = [
            ManagedAccount(id, email, "", AccountRole.USER, NOW, None, NOW, 0, 0)
            for id, email in (("usr_bob", "bob@example.com"), ("usr_bobby", "bob@example.com.au"))
        ]
        self.passkeys: list[Passkey] = []
        self.authorizations: list[Authorization] = []
        self.code = ""  # If this is set, a sign-in needs this code.
        # Dangerous requests ask for these kinds of proof. If it is empty, the last proof is recent.
        self.proofs: list[str] = []
        self.replaced_keys = 0
        self.account_invites: list[AccountInvite] = []
        self.pending_app = False  # True if an authenticator app waits for its first code.
        self.has_app = False
        self.changes: list[dict[str, Any]] = []  # The changes of the account.
        self.bulk: list[tuple[str, int]] = []  # For each change of many users, the action and the number of ids.
        self.deleted_account = False
        self.setup_token: str | None = None  # The setup token of the last registration.
        self.invite: str | None = None  # The invitation of the last registration.
        self.verifies_signups = False
        self.signups = "open"
        self.in_production = False
        self.taken = False  # True if the invited address has an account.
        self.invited_as = ("", "")  # The name and the password of the last account that was opened by an invitation.
        self.any_password = False
        self.own_sessions: dict[str, AccountSession] = {}
        self.access_seconds = 900
        self.projects: dict[str, Project] = {}
        self.deleted: dict[str, Project] = {}
        # The roles, by the path of the project or organisation, and by account.
        self.members: dict[str, dict[str, Role]] = {}
        self.invites: dict[str, tuple[str, Invite]] = {}  # For each id, the path of the group and the invitation.
        self.orgs: dict[str, Organisation] = {}
        self.keys: dict[str, tuple[str, Key]] = {}
        self.service_accounts: list[ServiceAccount] = []
        self.s3_credentials: list[S3Credential] = []
        self.personal_tokens: list[PersonalToken] = []
        self.oauth_clients: list[OAuthClient] = []
        self.uploads: dict[str, list[Upload]] = {}
        self.active: dict[str, int] = {}
        self.away = False
        self.refuses = b"refuse me"  # The server refuses bundles that contain this text.
        self.variables: dict[str, str] = {}
        self.rules: dict[str, Any] = {}
        self.schemas: dict[str, dict[str, Any]] = {}  # For each collection, its schema, and whether it is strict.
        self.exposed: dict[str, bool | None] = {}
        self.auth = StoredSettings()
        self.auth_json: dict[str, Any] = {}
        self.users: dict[str, ManagedUser] = {}
        self.user_invites: list[OpenUserInvite] = []
        self.sessions: set[str] = set()  # The access tokens of end users.
        self.lines: list[LogLine] = []
        self.follows: list[int] = []
        self.asked: list[dict[str, Any]] = []
        self.jobs: dict[str, Job] = {}
        self.schedules: list[ScheduleState] = []
        self.runs: list[Run] = []
        self.agents: set[str] = set()
        self.page = 2
        self.busy = 0
        self.rotation_failed: str | None = None

    def sign_in(self, email: str) -> SignedIn:
        self.issued += 1
        access, refresh = f"at_{self.issued}", f"rt_{self.issued}"
        self.access.add(access)
        self.fresh.add(refresh)
        return SignedIn(self.account(email), access, refresh, self.access_seconds)

    def account(self, email: str = EMAIL) -> Account:
        return Account("usr_ada", email, "Ada", "admin", NOW)

    def expire(self) -> None:
        self.access.clear()

    def signed_in(self, request: AnyRequest) -> None:
        self.agents.add(request.headers.get("user-agent", ""))
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not token:
            raise Unauthenticated
        if token not in self.access:
            raise InvalidToken if token.startswith(("bpt_", "sk_")) else TokenExpired

    def proved(self, request: AnyRequest) -> None:
        """Accept a signed-in developer who has reauthenticated recently."""
        self.signed_in(request)
        if self.proofs:
            raise ReauthenticationRequired(methods=self.proofs)

    def administrator(self, request: AnyRequest) -> None:
        """Accept the secret key, or a developer who names the project."""
        if key := request.headers.get("x-bunbase-key"):
            assert self.keys[key][1].kind is CallerKind.SECRET
        else:
            self.signed_in(request)
            self.project(request.headers["x-bunbase-project"])

    def add_user(self, id: str, email: str | None) -> None:
        self.users[id] = ManagedUser(id, email, True, "user", {}, {}, NOW, banned=False, has_password=True)

    def project(self, name: str) -> Project:
        for project in self.projects.values():
            if name in (project.id, project.slug):
                return project
        if any(name in (project.id, project.slug) for project in self.deleted.values()):
            raise ProjectDeleted
        raise ProjectNotFound

    def new_key(self, project: str, kind: CallerKind, name: str = "key") -> Key:
        number = len(self.keys) + 1
        value = f"{'sk' if kind is CallerKind.SECRET else 'pk'}_{number}"
        self.keys[value] = (project, Key(f"key_{number}", kind, name, value[:4], NOW, None))
        return msgspec.structs.replace(self.keys[value][1], key=value)

    def add_job(self, new: NewJob, state: JobStatus) -> Job:
        id = f"job_{len(self.jobs) + 1}"
        attempt = new.attempts if state is JobStatus.DEAD else 0
        self.jobs[id] = Job(
            id, new.function, TriggerKind.JOB, state, NOW, NOW, attempt, new.attempts, new.key, payload=new.payload
        )
        return self.jobs[id]

    def job(self, id: str) -> Job:
        if id not in self.jobs:
            raise JobNotFound
        return self.jobs[id]

    def say(self, *texts: str, invocation: str = "inv_1", function: str = "hello", truncated: bool = False) -> None:
        for text in texts:
            seq = len(self.lines) + 1
            self.lines.append(LogLine(seq, NOW, LogLevel.INFO, text, function, 1, invocation, truncated))

    def delete_lines(self, until: int) -> None:
        """Delete the lines up to a number, in the same way as the retention of logs."""
        self.lines = [line for line in self.lines if line.seq > until]

    def version(self, name: str, number: int) -> Version:
        upload = self.uploads[name][number - 1]
        config = msgspec.convert(upload.config, FunctionConfig)
        sha256 = hashlib.sha256(upload.code).hexdigest()
        return Version(name, number, sha256, len(upload.code), config, number == self.active[name], NOW, "usr_ada")

    def versions(self, name: str) -> list[Version]:
        """Return the versions of a function, newest first."""
        if name not in self.active:
            raise FunctionNotFound(f"The project has no function {name}.")
        return [self.version(name, number) for number in range(len(self.uploads[name]), 0, -1)]
