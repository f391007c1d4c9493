"""The contract of BunAuth: accounts of the developers who use the platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from bunbase.contracts.bunauth.accounts import (
    Account,
    AccountSessions,
    EmailConfirmed,
    NewAccount,
    PasswordReset,
    ProfileChanges,
    Proof,
    Registered,
    SignedIn,
    SignupState,
)
from bunbase.contracts.bunauth.activity import ActivityLog
from bunbase.contracts.bunauth.administration import AccountAdministration
from bunbase.contracts.bunauth.devices import DeviceLogin, WaitingDevice
from bunbase.contracts.bunauth.factors import (
    NewTotp,
    Passkey,
    PasskeyOptions,
    Passkeys,
    RecoveryCodes,
    SecondFactor,
    TotpState,
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
from bunbase.contracts.bunauth.invites import AccountInvitation, AccountInvite, AccountInvites
from bunbase.contracts.bunauth.newcomers import Newcomers
from bunbase.contracts.bunauth.openid import OpenIdProvider
from bunbase.contracts.bunauth.page_sign_in import PageSignIns
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
from bunbase.pkg.rpc.wire import waits_for_news


class BunAuth(AccountAdministration, ActivityLog, Newcomers, OpenIdProvider, PageSignIns, Protocol):
    async def register(self, caller: Caller, new: NewAccount) -> Registered:
        """Create an account.

        The first account becomes the administrator of the instance; in production, its creation needs the setup token.
        If people may register without an invitation and `verify_signups` is on, this call only sends a mail with a link
        that opens the account.

        Raises: SetupTokenRequired, InvalidInvite, EmailTaken, SignupsClosed, InvalidInput.
        """
        ...

    async def confirm_signup(self, caller: Caller, token: str, password: str) -> SignedIn:
        """Open an account with the link of a mail. Raises: LinkExpired, EmailTaken, InvalidInput."""
        ...

    async def open_account(self, caller: Caller, token: str, password: str) -> Account:
        """Open an account with the link of a mail, without a session: the person signs in afterwards.

        Raises: LinkExpired, EmailTaken, InvalidInput.
        """
        ...

    async def signup_address(self, token: str) -> str:
        """Return the address for which a link opens an account. The link stays valid. Raises: LinkExpired."""
        ...

    async def login(self, caller: Caller, email: str, password: str) -> SignedIn:
        """Sign in. Raises: InvalidCredentials, SecondFactorRequired.

        A wrong password and an unknown email get the same answer in the same time.
        """
        ...

    async def start_device_login(self, caller: Caller, client: str) -> DeviceLogin:
        """Begin the sign-in of a device (RFC 8628). `client`: the name that the device shows.

        Raises: InvalidInput, RateLimited.
        """
        ...

    async def poll_device_login(self, caller: Caller, device_code: str) -> SignedIn:
        """Return the tokens of an approved sign-in, once. The new session does not count as a fresh proof.

        Raises: AuthorizationPending, SlowDown, DeviceCodeExpired, DeviceDenied.
        """
        ...

    async def waiting_device(self, user_code: str) -> WaitingDevice:
        """Return the device that waits for approval under this code. Raises: DeviceNotFound."""
        ...

    async def decide_device_login(self, caller: Caller, user_code: str, approve: bool) -> None:
        """Approve or deny the sign-in of a device as the caller.

        Raises: DeviceNotFound, ReauthenticationRequired, Forbidden.
        """
        ...

    async def decide_device_login_by_password(
        self, caller: Caller, user_code: str, email: str, password: str, approve: bool
    ) -> None:
        """Sign in, and approve or deny the sign-in of a device. No session stays open.

        Raises: DeviceNotFound, InvalidCredentials, SecondFactorRequired, AccountSuspended.
        """
        ...

    async def decide_device_login_by_code(
        self, caller: Caller, user_code: str, challenge: str, code: str, approve: bool
    ) -> int | None:
        """Sign in with the second factor, after SecondFactorRequired, and approve or deny the sign-in of a device.
        `code`: the code of the app, or a recovery code.

        Return the number of recovery codes that are left if `code` was a recovery code, otherwise None. Raises:
        DeviceNotFound, ChallengeExpired, WrongCode, RateLimited, AccountSuspended.
        """
        ...

    async def identify_by_password(self, caller: Caller, email: str, password: str) -> Account:
        """Return the account of a person who signs in on a page for one act. No session stays open.

        Raises: InvalidCredentials, SecondFactorRequired, AccountSuspended.
        """
        ...

    async def identify_by_code(self, caller: Caller, challenge: str, code: str) -> Account:
        """Return the account after the second factor, after SecondFactorRequired. `code`: the code of the app, or a
        recovery code.

        Raises: ChallengeExpired, WrongCode, RateLimited, AccountSuspended.
        """
        ...

    async def login_with_second_factor(self, caller: Caller, challenge: str, answer: SecondFactor) -> SignedIn:
        """Complete a sign-in that needs a second factor.

        A challenge lives for five minutes, and allows five wrong answers.

        Raises: ChallengeExpired, WrongCode, WrongPasskey, RateLimited.
        """
        ...

    async def passkey_login_options(self, challenge: str | None) -> PasskeyOptions:
        """Return the options for a sign-in with a passkey of any account, or with the second factor for `challenge`.

        Raises: ChallengeExpired, PasskeysUnavailable.
        """
        ...

    async def login_with_passkey(self, caller: Caller, credential: dict[str, Any]) -> SignedIn:
        """Sign in with only a passkey. The passkey has verified its user, so no second factor is needed.

        Raises: WrongPasskey, PasskeysUnavailable.
        """
        ...

    async def refresh(self, caller: Caller, refresh_token: str) -> SignedIn:
        """Exchange a refresh token for a new pair of tokens, its child.

        The same refresh token returns the same child until the client uses a token of the child. If the client sends
        the refresh token after that, or after `reuse_grace_seconds`, BunAuth ends the session (RFC 9700 §4.14.2).
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
        """Set a new password; all other sessions end. `current`: the current password; None if the caller has proved in
        the last ten minutes that the account is theirs.

        Raises: ReauthenticationRequired, WrongProof, InvalidInput, Forbidden.
        """
        ...

    async def request_password_reset(self, email: str) -> None:
        """Send a link to the address if it has an account. The caller cannot see whether the address has an account."""
        ...

    async def reset_password(self, caller: Caller, token: str, password: str) -> PasswordReset:
        """Set a new password with the link of a mail; all sessions end. Raises: LinkExpired, InvalidInput."""
        ...

    async def request_email_verification(self, email: str) -> None:
        """Send a link to the address if its account is not verified. The caller cannot see whether a link was sent."""
        ...

    async def verify_email(self, caller: Caller, token: str) -> EmailConfirmed:
        """Verify the address to which a link was sent. Raises: LinkExpired."""
        ...

    async def request_email_change(self, caller: Caller, email: str) -> None:
        """Send links to the present and the new address; both must confirm the change.

        Raises: ReauthenticationRequired, InvalidInput, Forbidden.
        """
        ...

    async def confirm_email_change(self, caller: Caller, token: str) -> EmailConfirmed:
        """Confirm a change of address with the link of a mail. Raises: LinkExpired."""
        ...

    async def check_account_deletion(self, caller: Caller) -> None:
        """Check that `delete_account` would delete the account. Raises: the problems of `delete_account`."""
        ...

    async def delete_account(self, caller: Caller) -> None:
        """Delete the caller's account. Only Platform calls this method, after the removal of the account's memberships.

        Raises: ReauthenticationRequired, LastAdministrator, Forbidden.
        """
        ...

    async def create_invite(self, caller: Caller, email: str | None, role: str) -> AccountInvite:
        """Invite a person to open an account. `email`: the address to invite by mail; None to get only a link.

        `role`: "user" or "admin". Only administrators may invite. Raises: InvalidInput, Forbidden.
        """
        ...

    async def invites(self, caller: Caller, limit: int, cursor: str | None) -> AccountInvites:
        """Return the open invitations, newest first. Raises: InvalidCursor, Forbidden."""
        ...

    async def invitation(self, token: str) -> AccountInvitation:
        """Return the invitation of a link. The link stays valid. Raises: LinkExpired."""
        ...

    async def accept_invite(self, caller: Caller, new: NewAccount) -> Account:
        """Open an account with an invitation, without a session.

        Raises: LinkExpired, InvalidInvite, EmailTaken, InvalidInput.
        """
        ...

    async def delete_invite(self, caller: Caller, id: str) -> None:
        """Raises: AccountInviteNotFound, Forbidden."""
        ...

    async def reauthenticate(self, caller: Caller, proof: Proof) -> None:
        """Prove that the caller owns the account; dangerous acts then work for ten minutes in this session.

        Raises: WrongProof, Forbidden. Ten wrong proofs in a row end the session.
        """
        ...

    async def proof_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a passkey as a proof. Raises: PasskeysUnavailable, Forbidden."""
        ...

    async def need_fresh_proof(self, caller: Caller) -> None:
        """Check that the caller signed in or sent a proof in the last ten minutes, in this session.

        Raises: ReauthenticationRequired, Forbidden.
        """
        ...

    async def totp_state(self, caller: Caller) -> TotpState:
        """Return whether a sign-in needs a code, and how many recovery codes are left. Raises: Forbidden."""
        ...

    async def start_totp(self, caller: Caller) -> NewTotp:
        """Return a new secret for an authenticator app. The secret has no effect until `confirm_totp`.

        Raises: ReauthenticationRequired, Forbidden.
        """
        ...

    async def confirm_totp(self, caller: Caller, code: str) -> RecoveryCodes:
        """Put the new secret into use, and return new recovery codes. Raises: TotpNotFound, WrongCode, Forbidden."""
        ...

    async def remove_totp(self, caller: Caller) -> None:
        """Turn the second factor off. Raises: ReauthenticationRequired, TotpNotFound, Forbidden."""
        ...

    async def new_recovery_codes(self, caller: Caller) -> RecoveryCodes:
        """Replace all recovery codes. Raises: ReauthenticationRequired, TotpNotFound, Forbidden."""
        ...

    async def passkeys(self, caller: Caller) -> Passkeys:
        """Return the account's passkeys, newest first. Raises: Forbidden."""
        ...

    async def passkey_options(self, caller: Caller) -> PasskeyOptions:
        """Return the options for a new passkey.

        Raises: ReauthenticationRequired, PasskeysUnavailable, InvalidInput, Forbidden.
        """
        ...

    async def register_passkey(self, caller: Caller, credential: dict[str, Any], name: str) -> Passkey:
        """Raises: WrongPasskey, PasskeysUnavailable, InvalidInput, Forbidden."""
        ...

    async def rename_passkey(self, caller: Caller, id: str, name: str) -> None:
        """Raises: PasskeyNotFound, InvalidInput, Forbidden."""
        ...

    async def delete_passkey(self, caller: Caller, id: str) -> None:
        """Raises: ReauthenticationRequired, PasskeyNotFound, LastSignInMethod, Forbidden."""
        ...

    async def login_providers(self) -> LoginProviders:
        """Return the services by which people can sign in."""
        ...

    async def start_external_login(self, provider: str, start: ExternalStart) -> ExternalRedirect:
        """Begin a sign-in by another service. Return the URL at the service, and the secret for the browser's cookie.

        Raises: ProviderNotFound, ProviderUnavailable, InvalidInput, LinkExpired.
        """
        ...

    async def finish_external_login(self, provider: str, answer: ExternalAnswer) -> ExternalRedirect:
        """Handle the answer of the service. Return the client's URL with a code or an error.

        Raises: ProviderNotFound, ExternalLoginExpired.
        """
        ...

    async def exchange_code(self, caller: Caller, exchange: CodeExchange) -> SignedIn:
        """Sign in with the code, or link the identity if the sign-in began with a ticket. The code works once.

        Raises: ExternalLoginExpired, ExternalEmailNotVerified, IdentityTaken, SignupsClosed, SetupTokenRequired,
        InvalidInvite, EmailTaken, SecondFactorRequired, AccountSuspended.
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
        """End all sessions of the account, except the caller's own session if `keep_current` is true. Raises:
        Forbidden.
        """
        ...

    async def note_first_uses(self, uses: tuple[FirstUse, ...]) -> None:
        """Store that access tokens were used for the first time.

        The refresh tokens that were exchanged for these access tokens cannot be used again.

        The gateway calls this soon after it verifies a token for the first time. Idempotent.
        """
        ...

    async def verify(self, token: str) -> Verified:
        """Check an access token or a personal access token, including its revocation."""
        ...

    async def jwks(self) -> Jwks: ...

    async def replace_signing_keys(self, caller: Caller) -> None:
        """Replace all signing keys at once, because one of them may be in the wrong hands. Tokens of the old keys end.

        Sessions stay valid, because their clients refresh. Only administrators may call this method. Raises:
        ReauthenticationRequired, Forbidden.
        """
        ...

    async def discovery(self) -> Discovery: ...

    async def create_token(
        self,
        caller: Caller,
        name: str,
        scopes: tuple[str, ...],
        expires_in_seconds: int | None,
        projects: tuple[str, ...] = (),
    ) -> PersonalToken:
        """Create a personal access token. The caller needs a session, and a fresh proof for the scopes `admin` and
        `secrets`. `scopes`: the scopes of `contracts/scopes.py`. `projects`: the ids of the projects to which the token
        is bound; empty for all projects.

        Raises: ReauthenticationRequired, InvalidInput, Forbidden.
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
        """True if a session of the account with this email began in the network of `ip`, and is valid or has ended less
        than a day ago. Only the limits on sign-ins use the result; no caller sees the result.
        """
        ...

    async def accounts(self, ids: tuple[str, ...]) -> tuple[Account, ...]:
        """Return the accounts with these ids, in any order. A missing account was deleted. At most 500 ids."""
        ...

    async def signup_state(self) -> SignupState: ...

    async def dev_mails(self, to: str, project: str, limit: int, before: str) -> tuple[DevMail, ...]:
        """Return the mails of this room in the mailbox of dev mode, newest first.

        In production, there are no such mails.

        `before`: return only mails with a smaller id, which are older. `to`, `project` and `before` may be empty.
        """
        ...

    @waits_for_news
    def revocations(self) -> AsyncIterator[Revocation]:
        """Yield all earlier revocations of sessions and tokens that have not expired, then READY, then each new
        revocation.
        """
        ...
