"""Checks of the meaning of a project's settings, beyond their types: each names the field that is wrong."""

from __future__ import annotations

import re
from difflib import get_close_matches
from string import Template as Pattern
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.settings import MailTexts, ProjectAuth
from bunbase.pkg.addresses import email_or_none
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.identity.redirects import fault_in_entry
from bunbase.pkg.mail.templates import ALREADY_REGISTERED, INSTALLATION_INVITE, MEMBER_INVITE, TEMPLATES, Template

PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
FUNCTION_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
LANGUAGE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
CAPTCHAS: Final = ("turnstile", "hcaptcha")
OF_DEVELOPERS: Final = {ALREADY_REGISTERED.kind, INSTALLATION_INVITE.kind, MEMBER_INVITE.kind}
LETTERS: Final = {kind: template for kind, template in TEMPLATES.items() if kind not in OF_DEVELOPERS}


def check_meaning(settings: ProjectAuth) -> None:
    """Raises: InvalidInput."""
    _check_names(settings)
    _check_addresses(settings)
    _check_mail(settings)


def _check_names(settings: ProjectAuth) -> None:
    _need_one_line("/app_name", settings.app_name)
    for name, provider in settings.providers.items():
        if not PROVIDER_NAME.fullmatch(name):
            raise _wrong(f"/providers/{name[:80]}", "A name has at most 32 lower-case letters, digits and hyphens.")
        _need_one_line(f"/providers/{name}/label", provider.label)
    if settings.captcha.provider and settings.captcha.provider not in CAPTCHAS:
        raise _wrong("/captcha/provider", f"Send one of: {', '.join(CAPTCHAS)}.")
    for event, function in msgspec.structs.asdict(settings.hooks).items():
        if isinstance(function, str) and function and not FUNCTION_NAME.fullmatch(function):
            raise _wrong(f"/hooks/{event}", "Send the name of a function of this project.")
    for at, language in enumerate(settings.sign_in_page.languages):
        if not LANGUAGE.fullmatch(language):
            raise _wrong(f"/sign_in_page/languages/{at}", "Send the tag of a language, such as en or pt-BR.")


def _check_addresses(settings: ProjectAuth) -> None:
    for at, domain in enumerate(settings.email_domains):
        normal = email_or_none(f"a@{domain}")
        if normal != f"a@{domain}":
            near = f" Did you mean {normal.removeprefix('a@')}?" if normal and normal.count("@") == 1 else ""
            raise _wrong(f"/email_domains/{at}", f"Send a domain in lower case, such as example.com.{near}")
    for at, url in enumerate(settings.redirect_urls):
        if fault := fault_in_entry(url):
            raise _wrong(f"/redirect_urls/{at}", fault)


def _check_mail(settings: ProjectAuth) -> None:
    _need_one_line("/mail/from", settings.mail.sender)
    if settings.mail.reply_to and email_or_none(settings.mail.reply_to) is None:
        raise _wrong("/mail/reply_to", "Send an email address such as ada@example.com.")
    for kind, texts in settings.mail.templates.items():
        if kind not in LETTERS:
            near = get_close_matches(kind, LETTERS, 1)
            advice = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(LETTERS))}."
            raise _wrong(f"/mail/templates/{kind[:80]}", f"There is no such mail.{advice}")
        _check_texts(f"/mail/templates/{kind}", LETTERS[kind], texts)


def _check_texts(at: str, template: Template, texts: MailTexts) -> None:
    fields = template.needs() - {"url"}  # the button is the only link
    for name, text in msgspec.structs.asdict(texts).items():
        pattern = Pattern(text)
        if not pattern.is_valid():
            raise _wrong(f"{at}/{name}", "Write $$ for a dollar sign; $ alone begins the name of a field.")
        if unknown := set(pattern.get_identifiers()) - fields:
            known = ", ".join(f"${field}" for field in sorted(fields))
            raise _wrong(f"{at}/{name}", f"This mail has no field ${min(unknown)}. There are: {known}.")
        if name != "body":
            _need_one_line(f"{at}/{name}", text)


def _need_one_line(at: str, text: str) -> None:
    if not text.isprintable():
        raise _wrong(at, "Send one line of text without control characters.")


def _wrong(at: str, message: str) -> InvalidInput:
    return InvalidInput.at(at, message)
