"""The contract of BunAuth: accounts of the developers who use the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from bunbase.contracts.bunauth.accounts import (
    Account,
    AccountSessions,
    EmailConfirmed,
    NewAccount,
    ProfileChanges,
    Proof,
    Registered,
    SignedIn,
    SignupState,
)
from bunbase.contracts.bunauth.identities import (
    CodeExchange,
    ExternalAnswer,
    ExternalRedirect,
    ExternalStart,
    Identities,
    LinkTicket,
    LoginProviders,
)
from bunbase.contracts.bunauth.invites import Invite, Invites
from bunbase.contracts.bunauth.tokens import (
    Discovery,
    FirstUse,
    Jwks,
    PersonalToken,
    PersonalTokens,
    ServiceToken,
    Verified,
)
from bunbase.contracts.caller import Caller
from bunbase.contracts.revocations import Revocation
from bunbase.pkg.mail.letters import DevMail


class BunAuth(Protocol):
    async def register(self, caller: Caller, new: NewAccount) -> Registered:
        """Create an account. The first account becomes the administrator of the instance; in production, its creation
        needs the setup token. Where strangers may register and `verify_signups` is on, a mail is sent instead.

        Raises: SetupTokenRequired, InvalidInvite, EmailTaken, SignupsClosed, InvalidInput.
        """
        ...

    async def confirm_signup(self, caller: Caller, token: str, password: str) -> SignedIn:
        """Open the account that a link of a mail is for. Raises: LinkExpired, EmailTaken, InvalidInput."""
        ...

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        """Sign in. Raises: InvalidCredentials.

        A wrong password and an unknown email get the same answer in the same time.
        """
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for a new pair, its child.

        The same refresh token returns the same child until a token of the child was used. After that, and after
        `reuse_grace_seconds`, it ends the session (RFC 9700 §4.14.2).
        Raises: InvalidToken, TokenExpired, TokenReused.
        """
        ...

    async def logout(self, caller: Caller) -> None:
        """End the caller's session; within a second, every process refuses its access token."""
        ...

    async def me(self, caller: Caller) -> Account: ...

    async def update_me(self, caller: Caller, changes: ProfileChanges) -> Account:
        """Change the name or the picture. Raises: InvalidInput, Forbidden."""
        ...

    async def change_password(self, caller: Caller, password: str, current: str | None) -> None:
        """Set a new password; all other sessions end. `current`: the current password, None if a proof is fresh.

        Raises: ReauthenticationRequired, WrongProof, InvalidInput, Forbidden.
        """
        ...

    async def request_password_reset(self, email: str) -> None:
        """Send a link to the address if it has an account. The caller cannot see whether it has one."""
        ...

    async def reset_password(self, token: str, password: str) -> None:
        """Set a new password by the link of a mail; all sessions end. Raises: LinkExpired, InvalidInput."""
        ...

    async def request_email_verification(self, email: str) -> None:
        """Send a link to the address if its account is not verified. The caller cannot see whether that is so."""
        ...

    async def verify_email(self, token: str) -> EmailConfirmed:
        """Verify the address that a link was sent to. Raises: LinkExpired."""
        ...

    async def request_email_change(self, caller: Caller, email: str) -> None:
        """Send links to the present and the new address; both must confirm the change.

        Raises: ReauthenticationRequired, InvalidInput, Forbidden.
        """
        ...

    async def confirm_email_change(self, token: str) -> EmailConfirmed:
        """Confirm a change of address by the link of a mail. Raises: LinkExpired."""
        ...

    async def delete_account(self, caller: Caller) -> None:
        """Delete the caller's account. Raises: ReauthenticationRequired, LastAdministrator, Forbidden."""
        ...

    async def create_invite(self, caller: Caller, email: str | None, role: str) -> Invite:
        """Invite a person to open an account. `email`: the address to invite by mail; None for a link alone.

        `role`: "user" or "admin". Only administrators invite. Raises: InvalidInput, Forbidden.
        """
        ...

    async def invites(self, caller: Caller, limit: int, cursor: str | None) -> Invites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        ...

    async def delete_invite(self, caller: Caller, id: str) -> None:
        """Raises: InviteNotFound, Forbidden."""
        ...

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        """Prove that the caller owns the account; dangerous acts then work for ten minutes in this session.

        Raises: WrongProof, Forbidden. Ten wrong proofs in a row end the session.
        """
        ...

    async def need_fresh_proof(self, caller: Caller) -> None:
        """Check that the caller signed in or sent a proof in the last ten minutes, in this session.

        Raises: ReauthenticationRequired, Forbidden.
        """
        ...

    async def login_providers(self) -> LoginProviders:
        """Return the services by which people can sign in."""
        ...

    async def start_external_login(self, provider: str, start: ExternalStart) -> ExternalRedirect:
        """Begin a sign-in by another service: return the address there, and the secret for the browser's cookie.

        Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired.
        """
        ...

    async def finish_external_login(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        """Take the answer of the service: return the client's address with a code or an error.

        Raises: ProviderNotFound, ExternalLoginExpired.
        """
        ...

    async def exchange_code(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        """Sign in with the code, or link the identity if the sign-in began with a ticket. The code works once.

        Raises: ExternalLoginExpired, ExternalEmailNotVerified, IdentityTaken, SignupsClosed, SetupTokenRequired,
        InvalidInvite, EmailTaken.
        """
        ...

    async def create_link_ticket(self, caller: Caller, provider: str) -> LinkTicket:
        """Return a ticket that links an identity to the caller's account.

        Raises: ProviderNotFound, ReauthenticationRequired, Forbidden.
        """
        ...

    async def identities(self, caller: Caller) -> Identities:
        """Return the identities of the caller's account, newest first; there are at most 20. Raises: Forbidden."""
        ...

    async def delete_identity(self, caller: Caller, id: str) -> None:
        """Raises: IdentityNotFound, LastSignInMethod, ReauthenticationRequired, Forbidden."""
        ...

    async def sessions(self, caller: Caller, limit: int, cursor: str | None) -> AccountSessions:
        """Return the account's open sessions, newest first. Raises: InvalidCursor, Forbidden."""
        ...

    async def end_session(self, caller: Caller, id: str) -> None:
        """End a session of the account. Raises: SessionNotFound, Forbidden."""
        ...

    async def end_sessions(self, caller: Caller, keep_current: bool) -> None:
        """End all sessions of the account, but not the caller's own session if `keep_current`. Raises: Forbidden."""
        ...

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        """Store that access tokens were used for the first time. The refresh tokens that they came from are then spent.

        The gateway calls this soon after it verifies a token for the first time. Idempotent.
        """
        ...

    async def verify(self, token: str) -> Verified:
        """Check an access token or a personal access token, including its revocation."""
        ...

    async def jwks(self) -> Jwks: ...

    async def discovery(self) -> Discovery: ...

    async def create_token(
        self, caller: Caller, name: str, scopes: tuple[str, ...], expires_in_seconds: int | None
    ) -> PersonalToken:
        """Create a personal access token. The caller needs a session. `scopes`: any of "read", "write" and "secrets".

        Raises: InvalidInput, Forbidden.
        """
        ...

    async def tokens(self, caller: Caller) -> PersonalTokens:
        """Return the caller's personal access tokens, newest first. An account has at most 100 tokens."""
        ...

    async def delete_token(self, caller: Caller, id: str) -> None:
        """Raises: TokenNotFound."""
        ...

    async def exchange(self, client_id: str, client_secret: str) -> ServiceToken:
        """Exchange the secret of an external program for a short-lived token. With this token, the program may call
        `verify` and `jwks` at the internal port of BunAuth.

        Raises: ServiceExchangeOff, InvalidCredentials.
        """
        ...

    async def knows_address(self, email: str, ip: str) -> bool:
        """True if a session of the account with this email began in the network of `ip`, and is still valid or ended
        less than a day ago. Only the limits on sign-ins use this; no caller sees the result."""
        ...

    async def signup_state(self) -> SignupState: ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode, newest first. In production, there are none.

        `before`: return only mails with a smaller id, which are older. `to`, `project` and `before` may be empty.
        """
        ...

    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield all earlier revocations of sessions and tokens that have not expired, then READY, then each new one."""
        ...
