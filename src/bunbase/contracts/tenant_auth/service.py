"""The interface of tenant-auth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from bunbase.contracts.bunauth.tokens import FirstUse, Jwks
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.contracts.tenant_auth.active_users import ActiveUserCounts
from bunbase.contracts.tenant_auth.activity import UserActivityLog
from bunbase.contracts.tenant_auth.anonymous import AnonymousUsers
from bunbase.contracts.tenant_auth.bulk import ManyUsers
from bunbase.contracts.tenant_auth.cookies import UserCookies
from bunbase.contracts.tenant_auth.copies import UserCopies
from bunbase.contracts.tenant_auth.factors import UserFactors
from bunbase.contracts.tenant_auth.identities import UserIdentities
from bunbase.contracts.tenant_auth.impersonation import UserImpersonation
from bunbase.contracts.tenant_auth.mails import UserMails
from bunbase.contracts.tenant_auth.pages import UserPages
from bunbase.contracts.tenant_auth.passwordless import UserPasswordless
from bunbase.contracts.tenant_auth.passwords import UserPasswords
from bunbase.contracts.tenant_auth.phones import UserPhones
from bunbase.contracts.tenant_auth.proofs import UserProofs
from bunbase.contracts.tenant_auth.sessions import CustomToken, OwnSessions, UserSessions, UserSignedIn
from bunbase.contracts.tenant_auth.settings import UserSettings
from bunbase.contracts.tenant_auth.sign_in_page import UserSignInPages
from bunbase.contracts.tenant_auth.signing_keys import UserSigningKeys
from bunbase.contracts.tenant_auth.signups import SignupDetails, UserSignups
from bunbase.contracts.tenant_auth.transfers import UserTransfers
from bunbase.contracts.tenant_auth.users import ManagedUser, ManagedUsers, NewUser, User, UserChanges, UserFilter
from bunbase.pkg.rpc.wire import waits_for_news


class TenantAuth(
    ActiveUserCounts,
    AnonymousUsers,
    UserActivityLog,
    UserCookies,
    UserCopies,
    ManyUsers,
    UserFactors,
    UserIdentities,
    UserImpersonation,
    UserMails,
    UserPages,
    UserPasswordless,
    UserPasswords,
    UserPhones,
    UserProofs,
    UserSettings,
    UserSigningKeys,
    UserSignInPages,
    UserSignups,
    UserTransfers,
    Protocol,
):
    """Every call takes its project from the Caller. Problems that `problems.py` does not define are defined by BunAuth.

    The calls from `users` to `custom_token` are for the secret key and for members of the project: the role viewer may
    read, the role developer may also change. These calls raise Forbidden for all other callers.

    The user's access tokens become invalid within a second after a change of the email, role or claims, a ban, a
    deletion, or a new password. A ban, a deletion and a new password also end the user's sessions.
    """

    async def signup(
        self,
        caller: Caller,
        email: str,
        password: str,
        data: dict[str, Any],
        captcha: str = "",
        details: SignupDetails | None = None,
    ) -> UserSignedIn | None:
        """Create a user and sign the user in. Return None if a mail was sent; its link then creates the user.

        `captcha`: the token of the widget, if the project has a captcha.

        If the caller has the token of an anonymous user, this user gets the address and the password.
        Raises: EmailTaken, TooManyUsers, InvalidInput, WeakPassword, SignupsClosed, EmailDomainNotAllowed,
        UpgradeUnavailable, InvalidToken, CaptchaRequired, CaptchaRefused, CaptchaUnavailable.
        """
        ...

    async def login(self, caller: Caller, email: str, password: str) -> UserSignedIn:
        """Sign in. `email`: an email address or a phone number.

        A wrong password and an unknown user get the same answer in the same time. Raises: InvalidCredentials, or
        UserBanned if the password was right.
        """
        ...

    async def login_with_custom_token(self, caller: Caller, token: str) -> UserSignedIn:
        """Exchange a custom token for a session, only once. The access tokens of the session have the token's claims.

        Raises: InvalidToken, TokenExpired, CustomTokenUsed, UserBanned.
        """
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> UserSignedIn:
        """Exchange a refresh token for a new pair of tokens. Until the new pair is used, the old token returns the same
        pair again (`pkg/sessions.py`), with a new access token if the first one has expired or a change of the user has
        ended it.

        Raises: InvalidToken, TokenExpired, TokenReused.
        """
        ...

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        """Store that access tokens were used for the first time: older refresh tokens of the sessions cannot be used
        again.

        Idempotent.
        """
        ...

    async def logout(self, caller: Caller) -> None: ...

    async def own_sessions(self, caller: Caller, limit: int, cursor: str | None) -> OwnSessions:
        """Return the open sessions of the signed-in user, newest first. Raises: InvalidCursor."""
        ...

    async def end_own_session(self, caller: Caller, id: str) -> None:
        """End a session of the signed-in user. Raises: SessionNotFound."""
        ...

    async def end_own_sessions(self, caller: Caller, keep_current: bool) -> None:
        """End all sessions of the signed-in user, except the caller's own session if `keep_current` is true."""
        ...

    async def me(self, caller: Caller) -> User: ...

    async def update_me(
        self, caller: Caller, data: dict[str, Any] | None, language: str | None = None, name: str | None = None
    ) -> User:
        """Replace the user's own `data` (at most 16 KiB of JSON), language and name.

        A value stays if its argument is None.
        """
        ...

    async def delete_me(self, caller: Caller) -> None:
        """Delete the signed-in user. Raises: ReauthenticationRequired."""
        ...

    async def users(self, caller: Caller, only: UserFilter, limit: int, cursor: str | None) -> ManagedUsers:
        """Return users, newest first. Raises: InvalidCursor."""
        ...

    async def user(self, caller: Caller, id: str) -> ManagedUser:
        """Raises: UserNotFound."""
        ...

    async def create_user(self, caller: Caller, new: NewUser) -> ManagedUser:
        """Raises: EmailTaken, TooManyUsers, InvalidInput."""
        ...

    async def update_user(self, caller: Caller, id: str, changes: UserChanges) -> ManagedUser:
        """Raises: UserNotFound, EmailTaken, InvalidInput."""
        ...

    async def delete_user(self, caller: Caller, id: str) -> None:
        """Raises: UserNotFound."""
        ...

    async def user_sessions(self, caller: Caller, id: str, limit: int, cursor: str | None) -> UserSessions:
        """Return the sessions of a user, newest first. Raises: UserNotFound, InvalidCursor."""
        ...

    async def end_user_sessions(self, caller: Caller, id: str) -> None:
        """Sign a user out everywhere. Raises: UserNotFound."""
        ...

    async def custom_token(self, caller: Caller, uid: str, claims: dict[str, Any]) -> CustomToken:
        """Return a token with which a user can sign in once, within five minutes.

        Raises: UserNotFound, UserBanned, InvalidInput.
        """
        ...

    async def jwks(self, project: str) -> Jwks:
        """Return the project's public keys. Raises: KeyNotFound."""
        ...

    async def session_alive(self, project: str, session: str, version: int) -> bool:
        """True if an access token with the claims `session` (`sid`) and `version` (`ver`) is still valid.

        A process that has lost its revocation feed calls this method.
        """
        ...

    async def knows_address(self, project: str, account: str, ip: str) -> bool:
        """True if a session of the user with this address or phone number began in the network of `ip`, and is valid or
        has ended less than a day ago. Only the limits on sign-ins use the result; no caller sees the result.
        """
        ...

    async def drop_project(self, project: str) -> None:
        """Delete every user and session of a destroyed project. Idempotent."""
        ...

    @waits_for_news
    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield earlier revocations of sessions and user versions whose access tokens have not expired, then READY,
        then each new revocation.
        """
        ...
