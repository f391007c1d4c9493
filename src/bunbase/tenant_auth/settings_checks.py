"""Check the meaning of a project's settings, beyond their types. Each error names the wrong field."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.settings import ProjectAuth
from bunbase.pkg.addresses import deliverable, email_or_none, normal_domain
from bunbase.pkg.colours import ACCENT
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.redirects import fault_in_entry
from bunbase.pkg.languages import is_language
from bunbase.pkg.mail.senders import may_send_from, own_sender
from bunbase.pkg.phones import is_country
from bunbase.tenant_auth.mail_texts import check_texts, need_one_line
from bunbase.tenant_auth.settings import CAPTCHAS

PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
FUNCTION_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
COLLECTION: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63}){0,4}")
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


def check_meaning(settings: ProjectAuth, public_url: str) -> None:
    """Check all settings. `public_url`: the URL of this installation. Raises: InvalidInput."""
    _check_names(settings)
    _check_addresses(settings, public_url)
    _check_mail(settings)


def _check_names(settings: ProjectAuth) -> None:
    need_one_line("/app_name", settings.app_name)
    for name, provider in settings.providers.items():
        if not PROVIDER_NAME.fullmatch(name):
            raise _wrong(f"/providers/{name[:80]}", "A name has at most 32 lower-case letters, digits and hyphens.")
        need_one_line(f"/providers/{name}/label", provider.label)
    if settings.captcha.provider and settings.captcha.provider not in CAPTCHAS:
        raise _wrong("/captcha/provider", f"Send one of: {', '.join(CAPTCHAS)}.")
    if settings.captcha.provider and not settings.captcha.site_key:
        raise _wrong("/captcha/site_key", "Send the site key that the service gave you.")
    need_one_line("/captcha/site_key", settings.captcha.site_key)
    if settings.sign_in_page.accent and not ACCENT.fullmatch(settings.sign_in_page.accent):
        raise _wrong("/sign_in_page/accent", "Send a colour as six hexadecimal digits in lower case, such as #1d4fd7.")
    for event, function in msgspec.structs.asdict(settings.hooks).items():
        if isinstance(function, str) and function and not FUNCTION_NAME.fullmatch(function):
            raise _wrong(f"/hooks/{event}", "Send the name of a function of this project.")
    for at, country in enumerate(settings.phone.countries):
        if country != "*" and not is_country(country):
            raise _wrong(f"/phone/countries/{at}", "Send the code of a country (ISO 3166), such as DE, or *.")
    _check_deletion(settings)
    for at, language in enumerate(settings.sign_in_page.languages):
        if not LANGUAGE.fullmatch(language):
            raise _wrong(f"/sign_in_page/languages/{at}", "Send the tag of a language, such as en or pt-BR.")


def _check_deletion(settings: ProjectAuth) -> None:
    function = settings.deletion.function
    if function and not FUNCTION_NAME.fullmatch(function):
        raise _wrong("/deletion/function", "Send the name of a function of this project.")
    for collection, field in settings.deletion.collections.items():
        at = f"/deletion/collections/{collection[:80]}"
        if not COLLECTION.fullmatch(collection):
            raise _wrong(at, "Send the name of a collection: a lower-case letter, then letters, digits or _.")
        if not FIELD.fullmatch(field):
            raise _wrong(at, "Send the name of the field with the user's id, such as author or meta.owner.")


def _check_addresses(settings: ProjectAuth, public_url: str) -> None:
    for at, domain in enumerate(settings.email_domains):
        normal = normal_domain(domain.strip().removesuffix("."))
        if normal != domain:
            near = f" Did you mean {normal}?" if normal else ""
            raise _wrong(f"/email_domains/{at}", f"Send a domain in lower case, such as example.com.{near}")
    for at, url in enumerate(settings.redirect_urls):
        if fault := fault_in_entry(url, public_url):
            raise _wrong(f"/redirect_urls/{at}", fault)


def _check_mail(settings: ProjectAuth) -> None:
    need_one_line("/mail/from", settings.mail.sender)
    try:
        own_sender(settings.mail.sender, "")
    except ValueError:
        raise _wrong("/mail/from", "Send a name, or a name and an address: Bakery <hello@bakery.example>.") from None
    reply_to = email_or_none(settings.mail.reply_to)
    if settings.mail.reply_to and (reply_to is None or not deliverable(reply_to).isascii()):
        raise _wrong("/mail/reply_to", "Send an email address such as ada@example.com.")
    check_texts("/mail/templates", settings.mail.templates)
    for language, templates in settings.mail.languages.items():
        if not is_language(language):
            raise _wrong(f"/mail/languages/{language[:80]}", "Send the tag of a language, such as en or pt-BR.")
        check_texts(f"/mail/languages/{language}", templates)


def check_sender(settings: ProjectAuth, project: str, domains: tuple[str, ...]) -> None:
    """Check that the operator allows the project to use its sender address. `domains`: the setting mail.sender_domains.

    Raises: InvalidInput.
    """
    address = own_sender(settings.mail.sender, "").address
    if address and not may_send_from(address, project, domains):
        domain = address.rpartition("@")[2]
        raise _wrong(
            "/mail/from",
            f"The operator of this server has not allowed mail from {domain} (mail.sender_domains). Send only a name.",
        )


def _wrong(at: str, message: str) -> InvalidInput:
    return InvalidInput.at(at, message)
