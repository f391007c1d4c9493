"""The pool of one project: its users' credentials, its settings, and the objects that depend on the settings.

    pool = await pools.of(project)
    await pool.new_passwords.check(password, email)

A pool is cheap to create: its settings are cached, and each of its parts is created at its first use.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from bunbase.contracts.bunkms import Kms
from bunbase.contracts.tenant_auth.settings import MailTexts, ProjectAuth, UserProvider
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.account_passkeys import AccountPasskeys
from bunbase.pkg.identity.authenticator_apps import AuthenticatorApps
from bunbase.pkg.identity.email_changes import EmailChanges
from bunbase.pkg.identity.external_login import ExternalLogins
from bunbase.pkg.identity.factor_checks import FactorChecks
from bunbase.pkg.identity.fresh_proofs import FreshProofs
from bunbase.pkg.identity.holders import Vault
from bunbase.pkg.identity.mail_links import MailLinks
from bunbase.pkg.identity.problems import PasskeysUnavailable
from bunbase.pkg.identity.redirects import listed_redirect
from bunbase.pkg.identity.second_step import SecondStep
from bunbase.pkg.identity.sign_in_challenges import SignInChallenges
from bunbase.pkg.identity.store import IdentityStores
from bunbase.pkg.languages import chosen
from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.mail.languages import texts_in
from bunbase.pkg.mail.letters import Letter
from bunbase.pkg.mail.senders import OF_INSTALLATION, OwnSender, may_send_from, own_sender
from bunbase.pkg.mail.templates import PASSWORD_RESET, SIGN_IN_CODE, SIGN_IN_LINK, Template
from bunbase.pkg.modules import Site
from bunbase.pkg.passkeys import RelyingParty, relying_party
from bunbase.pkg.password_rules import Breached, PasswordRules
from bunbase.pkg.passwords import Passwords
from bunbase.pkg.sessions import SessionSettings, knows_address, revoked_until
from bunbase.tenant_auth.admissions import allows_domain
from bunbase.tenant_auth.journal import Journal
from bunbase.tenant_auth.mail_kinds import MailKind
from bunbase.tenant_auth.new_passwords import UserPasswords
from bunbase.tenant_auth.page_codes import PageCodes
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.providers import ProviderClients, SealedProvider, settings_of
from bunbase.tenant_auth.settings import TenantAuthSettings
from bunbase.tenant_auth.settings_cache import SettingsCache
from bunbase.tenant_auth.sign_in_codes import SignInCodes
from bunbase.tenant_auth.store import Stores
from bunbase.tenant_auth.store.addresses import PoolAddress, PoolAddresses
from bunbase.tenant_auth.store.holders import PersonHolders
from bunbase.tenant_auth.store.proved_sessions import PoolSessions
from bunbase.tenant_auth.store.settings import StoredSettings
from bunbase.tenant_auth.store.users import UserStore
from bunbase.tenant_auth.ways_in import need_way_in

# The contexts of sealed secrets begin with this text. The owner of the secrets is the project.
CONTEXT: Final = "tenant_auth:"
SETTINGS: Final = "settings:"  # The purposes for which secrets of the settings are sealed begin with this text.
LINK: Final = "POST /v1/auth/identities/link"
PROOF: Final = "POST /v1/auth/reauthenticate"
TOTP: Final = "POST /v1/auth/totp"
SECOND_STEP: Final = "POST /v1/auth/login/second-factor"
LINK_PREFIX: Final = "umt"
# Anybody may request these kinds of letters.
OF_JOBS: Final = (PASSWORD_RESET.kind, SIGN_IN_CODE.kind, SIGN_IN_LINK.kind)
APP: Final = "this app"  # Mails and pages use this name of the app if the project does not set app_name.
PAGES: Final = "/v1/auth/ui"
UNAVAILABLE: Final = (
    "Browsers allow passkeys only at a host name with https, or at localhost. The developers of this app set its host "
    "in auth.passkeys, or the operator of this server sets its address with gateway.public_url."
)


class Pool:
    """One project's pool. `auth`: the settings of the project. `version`: the version of the settings."""

    def __init__(self, pools: Pools, project: str, stored: StoredSettings) -> None:
        self.project = project
        self.auth: ProjectAuth = stored.settings
        self.sealed = stored.sealed
        self.version = stored.version
        self._all = pools
        self.clock: Clock = pools.site.clock
        self.dev = pools.site.dev

    @cached_property
    def lifetimes(self) -> SessionSettings:
        """The lifetimes of tokens and sessions in the project."""
        chosen = msgspec.structs.asdict(self.auth.tokens)
        known = {name: seconds for name in ("access_ttl_seconds", "refresh_ttl_seconds") if (seconds := chosen[name])}
        return msgspec.structs.replace(self._all.settings, **known)

    @property
    def key_days(self) -> int:
        """The number of days for which a signing key of the project signs."""
        return self.auth.tokens.rotation_days or self._all.settings.signing_key_days

    @property
    def app_name(self) -> str:
        return self.auth.app_name or APP

    @cached_property
    def stores(self) -> IdentityStores:
        return IdentityStores(self._all.stores.db, self._all.stores.mails, self.project)

    @property
    def users(self) -> UserStore:
        return self._all.stores.users

    async def revoked_until(self) -> float:
        """Return the Unix time at which all access tokens that are valid now have expired."""
        return await self._all.revoked_until()

    async def knows_address(self, account: str, ip: str) -> bool:
        """True if the user of an address or number has signed in from the network of an IP address."""
        return await knows_address(account, ip, partial(self._all.stores.sessions.addresses, self.project))

    @cached_property
    def holders(self) -> PersonHolders:
        return PersonHolders(self._all.stores.users, self.project, self.clock, self._all.revoked_until)

    @cached_property
    def vault(self) -> Vault:
        kms = self._all.kms
        return Vault(CONTEXT, partial(kms.seal, self.project), partial(kms.unseal, self.project))

    @cached_property
    def letters(self) -> AccountLetters:
        return self.letters_in(self.languages[0])

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages of the project's mails. The first language is for readers who read none of the languages."""
        return tuple(dict.fromkeys((*self.auth.sign_in_page.languages, *self.auth.mail.languages)))

    def language_of(self, *wanted: str) -> str:
        """Return the language of the project that fits best.

        `wanted`: language tags, with the preferred language first.
        """
        return chosen(wanted, self.languages) or self.languages[0]

    def letters_in(self, language: str, asked_in: str = "") -> AccountLetters:
        """Return the letters in a language of the project.

        The texts of the project for this language come first, then its texts for all languages, then the built-in
        texts.
        """
        own, base = self.auth.mail.languages.get(language, {}), texts_in(language)
        for_all = {kind: texts for kind, texts in self.auth.mail.templates.items() if kind not in own}
        texts = {kind: _changed(base[kind], given) for kind, given in (own | for_all).items() if kind in base}
        accent = self.auth.sign_in_page.accent
        return AccountLetters(self.app_name, self.project, texts, language, asked_in, accent)

    def letters_asked_in(self, language: str) -> AccountLetters:
        """Return the letters for a person who may have no user yet.

        `language`: the language that the person reads, or empty.
        """
        return self.letters_in(self.languages[0], language)

    @cached_property
    def sender(self) -> OwnSender:
        """The sender of the project's mails.

        If the operator no longer allows the sender's address, the address is left out.
        """
        mail = self.auth.mail
        try:
            own = own_sender(mail.sender, email_or_none(mail.reply_to) or "")
        except ValueError:  # An older release has stored this address.
            return OF_INSTALLATION
        allowed = may_send_from(own.address, self.project, self._all.site.mail.sender_domains)
        return own if allowed else msgspec.structs.replace(own, address="")

    @cached_property
    def links(self) -> MailLinks:
        return MailLinks(self.stores, LINK_PREFIX, self.clock)

    @cached_property
    def codes(self) -> SignInCodes:
        return SignInCodes(self._all.stores.codes, self.project, self.vault, self.clock, self.knows_address)

    @cached_property
    def page_codes(self) -> PageCodes:
        return PageCodes(self._all.stores.page_codes, self.project, self.vault, self.clock)

    @cached_property
    def has_passkeys_here(self) -> bool:
        """True if the passkeys of the project work on the pages of this installation."""
        if not isinstance(self.party, RelyingParty):
            return False
        ours = urlsplit(self._all.site.public_url)
        return not self.auth.passkeys.rp_id or f"{ours.scheme}://{ours.netloc}" in self.party.origins

    @cached_property
    def email_changes(self) -> EmailChanges[PoolAddress]:
        addresses = PoolAddresses(
            self._all.stores.users, self.project, self._all.revoked_until, partial(allows_domain, self.auth)
        )

        def letters(user: PoolAddress) -> AccountLetters:
            return self.letters_asked_in(user.language)

        return EmailChanges(self.links, addresses, letters, partial(self.page, "change-email"))

    @cached_property
    def challenges(self) -> SignInChallenges:
        return SignInChallenges(self.stores, SECOND_STEP, self.clock)

    @cached_property
    def party(self) -> RelyingParty | PasskeysUnavailable:
        """The site of the users' passkeys: the app's own site, or the site of this installation."""
        own = self.auth.passkeys
        if own.rp_id:
            return RelyingParty(own.rp_id, self.app_name, own.origins)
        return relying_party(self.app_name, self._all.site.public_url) or PasskeysUnavailable(UNAVAILABLE)

    @cached_property
    def checks(self) -> FactorChecks[Person]:
        return FactorChecks(self.stores, self.holders, self.vault, self.party, self.letters, self.clock)

    @cached_property
    def apps(self) -> AuthenticatorApps[Person]:
        return AuthenticatorApps(self.checks, TOTP)

    @cached_property
    def passkeys(self) -> AccountPasskeys[Person]:
        return AccountPasskeys(self.checks, self.need_way_in)

    @cached_property
    def second_step(self) -> SecondStep[Person]:
        return SecondStep(self.checks)

    @cached_property
    def proofs(self) -> FreshProofs[Person]:
        sessions = PoolSessions(self._all.stores.db, self.project)
        return FreshProofs(self.checks, sessions, PoolPasswords(self._all, self.project), PROOF)

    @cached_property
    def external(self) -> ExternalLogins:
        """The sign-ins with other services that the project has enabled."""
        return self._external(
            partial(listed_redirect, allowed=self.auth.redirect_urls, public_url=self._all.site.public_url)
        )

    @cached_property
    def external_on_page(self) -> ExternalLogins:
        """The same services for the sign-in page.

        These services lead back to the page, which has already checked the app's URL.
        """
        return self._external(lambda url: url)

    def _external(self, check: Callable[[str], str]) -> ExternalLogins:
        enabled = {name: one for name, one in self.auth.providers.items() if one.enabled}
        providers = {name: (settings_of(name, one), self._provider(name, one)) for name, one in enabled.items()}
        url = self._all.site.public_url.rstrip("/")

        def callback(provider: str) -> str:
            return f"{url}/v1/auth/oauth/{provider}/callback"

        return ExternalLogins(self.stores, providers, callback, check, LINK, self.clock)

    def _provider(self, name: str, chosen: UserProvider) -> SealedProvider:
        secret = f"providers.{name}"
        sealed = self.sealed.get(secret, "")

        async def unsealed() -> str:
            return await self.vault.unsealed(SETTINGS + secret, sealed) if sealed else ""

        return SealedProvider(partial(self._all.clients.of, self.project, name, chosen, sealed, unsealed))

    @cached_property
    def new_passwords(self) -> UserPasswords:
        policy, all = self.auth.password, self._all
        rules = PasswordRules(self.app_name, all.breached if policy.breached else None)
        return UserPasswords(all.passwords, rules, policy, self.project, all.stores.users.history)

    async def need_way_in(self, user: str) -> None:
        """Check that a user still has a way to sign in. Call this after a removal, while the user is locked.

        Raises: LastSignInMethod.
        """
        person = await self.users.by_id(self.project, user)
        await need_way_in(person, self.auth, self.stores, isinstance(self.party, RelyingParty))

    async def forget_ways_in(self, user: str) -> None:
        """Delete the second factors, passkeys, identities and open links of a user. Call this inside a transaction.

        Somebody may have opened the account with the address of another person. When the owner of the address proves by
        mail that it is theirs, everything that the first person has set up must stop working.
        """
        await self.stores.factors.delete_all(user)
        await self.stores.passkeys.forget_challenges(user)
        await self.stores.identities.delete_all(user)
        await self.forget_links(user)

    async def forget_links(self, user: str) -> None:
        """Make the links useless that were mailed to a user, and cancel a change of the address."""
        await self.stores.mail_tokens.forget_of_account(user, *MailKind)
        await self.stores.email_changes.forget(user)

    def checked_redirect(self, redirect_to: str) -> str:
        """Return a URL of the app to which a page may lead, or "" for none. Raises: InvalidInput."""
        if not redirect_to:
            return ""
        return listed_redirect(redirect_to, self.auth.redirect_urls, self._all.site.public_url)

    def way_back(self, redirect_to: str) -> str:
        """Return a URL that was checked earlier, or "" if the project no longer allows it."""
        try:
            return self.checked_redirect(redirect_to)
        except InvalidInput:
            return ""

    def page(self, name: str, token: str) -> str:
        """Return the URL of a page of this installation, for a link in a mail of the project."""
        public_url = self._all.site.public_url.rstrip("/")
        return f"{public_url}{PAGES}/{name}?project={self.project}&token={quote(token, safe='')}"


class PoolPasswords:
    """The passwords of one project's users."""

    def __init__(self, pools: Pools, project: str) -> None:
        self.users = pools.stores.users
        self.passwords = pools.passwords
        self.project = project

    async def has_password(self, user: str) -> bool:
        return await self._hash(user) is not None

    async def is_password(self, user: str, password: str) -> bool:
        """True if the user has this password. Raises: SignInBusy."""
        return await self.passwords.matches(self.project, password, await self._hash(user))

    async def _hash(self, user: str) -> str | None:
        person = await self.users.by_id(self.project, user)
        return person.password_hash if person else None


class SharedParts(msgspec.Struct, frozen=True):
    """The parts that all pools share. `breached`: the list of breached passwords, or None if there is no list."""

    passwords: Passwords
    breached: Breached | None = None


class Pools:
    """The pools of all projects. If the settings are in memory, `await pools.of(project)` reads no row."""

    def __init__(self, stores: Stores, kms: Kms, shared: SharedParts, settings: TenantAuthSettings, site: Site) -> None:
        self.stores = stores
        self.kms = kms
        self.passwords = shared.passwords
        self.breached = shared.breached
        self.settings = settings
        self.site = site
        self.journal = Journal(stores.activity, site.clock)
        self.clients = ProviderClients(settings.provider_hosts, lambda: site.clock.now().timestamp())
        self.cache: SettingsCache[Pool] = SettingsCache(self._read)

    async def of(self, project: str) -> Pool:
        return await self.cache.of(project)

    async def for_reader(self, letter: Letter) -> Letter:
        """Return a letter in the language of its reader: of the user, or else of the request for the mail."""
        pool = await self.of(letter.project)
        if len(pool.languages) == 1:
            return letter
        person = await self.stores.users.by_email(pool.project, letter.to)
        wanted = (person.user.language if person else "", letter.language)
        language = pool.language_of(*filter(None, wanted))
        return letter if language == pool.languages[0] else pool.letters_in(language).again(letter)

    async def is_known(self, letter: Letter) -> bool:
        """True if a user of the project has confirmed the recipient's address of a letter.

        Use this only for letters that a job posts. In a request, the response time would reveal which addresses have a
        user.
        """
        if letter.kind not in OF_JOBS:
            return False
        person = await self.stores.users.by_email(letter.project, letter.to)
        return person is not None and person.user.email_verified

    async def sender_of(self, project: str) -> OwnSender:
        return (await self.of(project)).sender

    async def revoked_until(self) -> float:
        """Return the Unix time at which all access tokens that are valid now have expired."""
        return revoked_until(self.site.clock.now(), await self.stores.lifetimes.longest_seconds())

    async def _read(self, project: str) -> Pool:
        return Pool(self, project, await self.stores.settings.read(project))


def _changed(template: Template, own: MailTexts) -> Template:
    """Return a copy of a template in which the project's texts replace the built-in texts."""
    given = {name: text for name, text in msgspec.structs.asdict(own).items() if text}
    if not template.button:
        given.pop("button", None)  # A letter without a link cannot have a button.
    return msgspec.structs.replace(template, **given)
