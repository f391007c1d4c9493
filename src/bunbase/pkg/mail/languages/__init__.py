"""The texts of mails in languages other than English. The English texts are in `templates.py`.

A language has the texts of all mails to end users, and the few words that `composing.py` puts into them. Mails to
developers and operators are in English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from bunbase.pkg.languages import chosen
from bunbase.pkg.mail.languages import de, es, fr
from bunbase.pkg.mail.languages.texts import Language
from bunbase.pkg.mail.templates import TEMPLATES, Template

ENGLISH: Final = "en"
LANGUAGES: Final[Mapping[str, Language]] = {"de": de.LANGUAGE, "es": es.LANGUAGE, "fr": fr.LANGUAGE}
BUILT_IN: Final = (ENGLISH, *LANGUAGES)

DURATION: Final = re.compile(r"(\d+) (day|hour|minute|second)s?")
PASSKEY: Final = re.compile(r"the passkey “(.*)”")


def texts_in(language: str) -> dict[str, Template]:
    """Return the templates in a language. A mail that is missing in the language is in English."""
    known = _language(language)
    if known is None:
        return dict(TEMPLATES)
    return {kind: _translated(template, known) for kind, template in TEMPLATES.items()}


def fields_in(language: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of a mail with the words that BunBase writes into them in a language."""
    known = _language(language)
    return {name: _field(name, value, known) if known else value for name, value in fields.items()}


def fallback_in(language: str) -> str:
    """Return the sentence above the URL of a button in a language; "" for English."""
    known = _language(language)
    return known.fallback if known else ""


def _language(tag: str) -> Language | None:
    found = chosen((tag,), BUILT_IN)
    return LANGUAGES.get(found or ENGLISH)


def _translated(template: Template, language: Language) -> Template:
    texts = language.texts.get(template.kind)
    return msgspec.structs.replace(template, **msgspec.structs.asdict(texts)) if texts else template


def _field(name: str, value: str, language: Language) -> str:
    if name == "valid_for" and (found := DURATION.fullmatch(value)):
        one, many = language.units[found[2]]
        return f"{found[1]} {one if found[1] == '1' else many}"
    if name == "factor":
        passkey = PASSKEY.fullmatch(value)
        return language.passkey.format(name=passkey[1]) if passkey else language.factors.get(value, value)
    return value
