"""The choices of the developers of a project for its users. Without settings, the defaults apply.

The secrets of a project (of providers, of the captcha) are not part of this Struct: they are sealed by BunKMS, and no
answer shows them.

The store ignores fields that it does not know, because a newer process of the installation may have stored them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Protocol

import msgspec

from bunbase.contracts.bunkms import SigningAlgorithm
from bunbase.contracts.caller import Caller

DAY_SECONDS: Final = 86400
MAX_REDIRECT_URLS: Final = 100
MAX_PROVIDERS: Final = 50
MAX_DOMAINS: Final = 100

AccessSeconds = Annotated[int, msgspec.Meta(ge=60, le=DAY_SECONDS)]
RefreshSeconds = Annotated[int, msgspec.Meta(ge=3600, le=366 * DAY_SECONDS)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Name = Annotated[str, msgspec.Meta(max_length=100)]


class Signups(StrEnum):
    OPEN = "open"
    INVITE = "invite"  # only people with an invitation may sign up
    CLOSED = "closed"  # only the project's server creates users


class Enumeration(StrEnum):
    """The choice whether answers may show that an address has a user."""

    CLOSED = "closed"
    OPEN = "open"


class SecondFactorPolicy(StrEnum):
    OFF = "off"
    OPTIONAL = "optional"
    REQUIRED = "required"


class PasswordPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`breached`: refuse passwords from data breaches. `history`: the number of earlier passwords that are refused."""

    min_length: Annotated[int, msgspec.Meta(ge=8, le=128)] = 8
    breached: bool = False
    history: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0


class TokenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lifetimes of tokens; None for the lifetime in the settings of the installation. `algorithm`: the algorithm of
    signatures. `rotation_days`: the days after which the next key signs.
    """

    access_ttl_seconds: AccessSeconds | None = None
    refresh_ttl_seconds: RefreshSeconds | None = None
    algorithm: SigningAlgorithm = SigningAlgorithm.RS256
    rotation_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] | None = None


class AnonymousSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`idle_days`: the days without activity after which an anonymous user is deleted."""

    enabled: bool = False
    # at least two days, because an access token lives for up to one day
    idle_days: Annotated[int, msgspec.Meta(ge=2, le=3650)] = 30


class UserSessionLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`max_per_user`: the maximum number of sessions; a further sign-in ends the oldest session. None for no limit."""

    max_per_user: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None


class PasskeySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The relying party of the project's passkeys. Empty values mean the host of the installation."""

    rp_id: Name = ""
    origins: Annotated[tuple[Text, ...], msgspec.Meta(max_length=20)] = ()


class PhoneSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sign-in by text message, which also needs the hook `send_sms`.

    `countries`: the countries to whose numbers codes are sent (ISO 3166), such as `DE`; `*` for all; empty for none.
    `max_per_hour`: the number of text messages that the project sends in an hour; further messages are dropped.
    """

    countries: Annotated[tuple[Name, ...], msgspec.Meta(max_length=250)] = ()
    max_per_hour: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100


class UserProvider(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service by which users sign in. `kind`: `apple`, `discord`, `github`, `google`, `microsoft`, or `oidc` for
    every OpenID Connect provider with discovery at `issuer`. If `kind` is empty, the name of the provider decides the
    kind, and `oidc` is the default.

    `options`: further values of a kind: `team_id` and `key_id` of Apple, `tenant` of Microsoft.
    """

    kind: Name = ""
    enabled: bool = True
    label: Name = ""
    client_id: Text = ""
    issuer: Text = ""
    scopes: Annotated[tuple[Name, ...], msgspec.Meta(max_length=20)] = ()
    options: Annotated[dict[str, Text], msgspec.Meta(max_length=10)] = {}


class Captcha(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`provider`: "turnstile" or "hcaptcha"; empty for no captcha."""

    provider: Name = ""
    site_key: Text = ""


class MailTexts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The texts of one kind of mail, which replace the built-in texts. An empty text means the built-in text."""

    subject: Annotated[str, msgspec.Meta(max_length=250)] = ""
    heading: Annotated[str, msgspec.Meta(max_length=250)] = ""
    body: Annotated[str, msgspec.Meta(max_length=16 << 10)] = ""
    button: Name = ""
    footer: Text = ""


class MailAppearance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`sender` (`from` in JSON): the name that the mails show, or a name and an address such as
    `Bakery <hello@bakery.example>`, whose domain the operator has allowed. `reply_to`: the address for answers.

    `templates`: the texts by the kind of the mail, for all languages. `languages`: the texts by the tag of a language.
    `new_device`: true if users get a mail about a sign-in from a device that they have not used.
    """

    sender: Annotated[str, msgspec.Meta(max_length=300)] = msgspec.field(default="", name="from")
    reply_to: Annotated[str, msgspec.Meta(max_length=300)] = ""
    templates: Annotated[dict[str, MailTexts], msgspec.Meta(max_length=50)] = {}
    languages: Annotated[dict[str, dict[str, MailTexts]], msgspec.Meta(max_length=20)] = {}
    new_device: bool = False


class Hooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The functions of the project that are called; empty for no function."""

    before_signup: Name = ""
    before_token: Name = ""
    after_signup: Name = ""
    send_mail: Name = ""
    send_sms: Name = ""
    deadline_seconds: Annotated[int, msgspec.Meta(ge=1, le=10)] = 5


class DeletionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The effects of the deletion of a user. `collections`: the collections with the field that names the user; the
    documents whose field has the id of the user are deleted. `function`: the function that runs as a job with the id;
    empty for no function.
    """

    collections: Annotated[dict[str, Text], msgspec.Meta(max_length=50)] = {}
    function: Name = ""


class SignInPage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ready-made page `/v1/auth/ui`, and the pages of mails. `accent`: the colour of buttons, such as `#1d4fd7`.

    `languages`: the languages of the page; the first one is used if the browser prefers none of them.
    """

    cookies: bool = False
    accent: Annotated[str, msgspec.Meta(max_length=7)] = ""
    languages: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=20)] = ("en",)


class ProjectAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`app_name`: the name that mails and pages show. `email_domains`: the domains of addresses that may sign up;
    empty for all.

    `redirect_urls`: the URLs of the app to which a browser may be sent. `cookies`: true if pages of these URLs may
    keep the session of a user in a cookie (`?cookies=1`). `providers`: the services by their name in URLs.
    `verify_emails`: true if a user can sign in with a password only after the address was confirmed. `activity_days`:
    the time after which entries about sign-ins and credentials are deleted, if it is shorter than the time of the
    installation.
    """

    app_name: Name = ""
    signups: Signups = Signups.OPEN
    email_domains: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_DOMAINS)] = ()
    verify_emails: bool = False
    enumeration: Enumeration = Enumeration.OPEN
    redirect_urls: Annotated[tuple[Text, ...], msgspec.Meta(max_length=MAX_REDIRECT_URLS)] = ()
    cookies: bool = False
    password: PasswordPolicy = msgspec.field(default_factory=PasswordPolicy)
    anonymous: AnonymousSettings = msgspec.field(default_factory=AnonymousSettings)
    tokens: TokenSettings = msgspec.field(default_factory=TokenSettings)
    sessions: UserSessionLimits = msgspec.field(default_factory=UserSessionLimits)
    second_factor: SecondFactorPolicy = SecondFactorPolicy.OPTIONAL
    passkeys: PasskeySettings = msgspec.field(default_factory=PasskeySettings)
    phone: PhoneSettings = msgspec.field(default_factory=PhoneSettings)
    providers: Annotated[dict[str, UserProvider], msgspec.Meta(max_length=MAX_PROVIDERS)] = {}
    captcha: Captcha = msgspec.field(default_factory=Captcha)
    mail: MailAppearance = msgspec.field(default_factory=MailAppearance)
    hooks: Hooks = msgspec.field(default_factory=Hooks)
    deletion: DeletionSettings = msgspec.field(default_factory=DeletionSettings)
    activity_days: Annotated[int, msgspec.Meta(ge=1, le=3660)] | None = None
    sign_in_page: SignInPage = msgspec.field(default_factory=SignInPage)


class ShownAuth(ProjectAuth, frozen=True, kw_only=True):
    """`secrets`: the names of the secrets that are set. `version`: a number that increases with each change; 0 before
    the first change.
    """

    secrets: tuple[str, ...]
    version: int


class UserSettings(Protocol):
    """The interface for members of the project: the role developer may read, the role admin may change."""

    async def hooks_of_function(self, project: str, function: str) -> tuple[str, ...]:
        """Return the hooks for which the settings of a project name a function.

        Only the room Functions may call this method.
        """
        ...

    async def project_auth(self, caller: Caller) -> ShownAuth:
        """Return the settings of the caller's project. Raises: Forbidden, InsufficientScope."""
        ...

    async def change_project_auth(self, caller: Caller, patch: dict[str, Any], version: int | None) -> ShownAuth:
        """Apply a merge patch, which may contain secrets. `version`: the version to change; None for any.

        Raises: InvalidInput, StaleSettings, Forbidden, InsufficientScope.
        """
        ...
