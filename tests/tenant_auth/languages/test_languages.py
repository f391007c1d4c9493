from __future__ import annotations

import importlib
import pkgutil
import re
import string
from typing import Final

import msgspec
import pytest

from bunbase.contracts.tenant_auth.problems import HookFailed, SignupRefused
from bunbase.pkg.errors import CODES
from bunbase.pkg.mail.languages import LANGUAGES as LETTERS
from bunbase.pkg.password_rules import WeakPassword, WeakReason, weak
from bunbase.tenant_auth import languages
from bunbase.tenant_auth.languages import LANGUAGES, chosen_texts, en, problem_text
from bunbase.tenant_auth.languages.texts import Texts

OTHER_VOICES: Final = {
    "de": r"\b(Sie|Ihr|Ihre[mnrs]?|Ihnen)\b",
    "es": r"(?i)\b(usted|le|puede usted)\b",
    "fr": r"(?i)\b(tu|toi|ton|tes)\b",
}
# These are not Problems, because other services answer with these codes.
OF_SERVICES: Final = {"access_denied", "provider_error"}


def texts_in(texts: Texts) -> dict[str, str]:
    fields = msgspec.structs.asdict(texts)
    problems, weak = fields.pop("problems"), fields.pop("weak_passwords")
    del fields["language"]
    named = {f"problem {code}": text for code, text in problems.items()}
    return fields | named | {f"weak {WeakReason(reason)}": text for reason, text in weak.items()}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_every_language_has_all_texts_with_the_same_placeholders(language: str) -> None:
    english, others = texts_in(en.TEXTS), texts_in(LANGUAGES[language])

    assert others.keys() == english.keys()
    assert {name: placeholders(text) for name, text in others.items()} == {
        name: placeholders(text) for name, text in english.items()
    }
    assert all(text.strip() == text != "" for text in others.values())
    if language != "en":
        assert {name for name, text in others.items() if text == english[name]} <= {"code"}


@pytest.mark.parametrize(("language", "other_voice"), OTHER_VOICES.items())
def test_pages_and_mails_speak_to_the_reader_in_one_voice(language: str, other_voice: str) -> None:
    """In German and Spanish, apps for everybody address the reader with du and tú. French apps use vous."""
    mails = [text for texts in LETTERS[language].texts.values() for text in msgspec.structs.astuple(texts)]
    said = [*texts_in(LANGUAGES[language]).values(), *mails]

    assert [text for text in said if re.search(other_voice, text)] == []


def test_a_weak_password_is_refused_with_its_own_reason() -> None:
    for texts in LANGUAGES.values():
        assert set(texts.weak_passwords) == set(WeakReason)
    breached = weak(WeakReason.BREACHED, "It was found.")
    assert "data breach" in problem_text(en.TEXTS, breached, 8)
    assert problem_text(en.TEXTS, WeakPassword("of another version"), 8) == en.TEXTS.problems["weak_password"]


def test_every_module_of_a_language_is_offered() -> None:
    modules = {module.name for module in pkgutil.iter_modules(languages.__path__)} - {"texts"}
    assert modules == set(LANGUAGES)


def test_a_refusal_by_the_hook_of_an_app_is_shown_in_its_own_words() -> None:
    german = LANGUAGES["de"]

    assert problem_text(german, SignupRefused("Nur für Gäste."), 8) == "Nur für Gäste."
    assert problem_text(german, HookFailed(hook="before_signup"), 8) == german.problem


def test_texts_of_problems_are_for_codes_that_exist() -> None:
    importlib.import_module("bunbase.tenant_auth.service")  # This import defines all problems of tenant-auth.
    assert set(en.TEXTS.problems) - OF_SERVICES <= set(CODES)


@pytest.mark.parametrize(
    ("wanted", "browser", "project", "language"),
    [
        ("", "", (), "en"),
        ("", "de-AT, en;q=0.5", (), "de"),
        ("", "de;q=0.3, fr;q=0.9", ("en", "de", "fr"), "fr"),
        ("", "es", ("de",), "de"),
        ("es", "de", ("de",), "es"),
        ("xx", "fr", (), "fr"),
        ("", "it", ("pt-BR", "fr-CA"), "fr"),
        ("", "it", ("pt-BR",), "en"),
        ("", "de;q=0, fr;q=nan, es;q=2, ;;;,", (), "en"),
        ("", "de," * 5000, (), "de"),
    ],
    ids=range(10),
)
def test_the_reader_gets_the_language_that_suits_best(
    wanted: str, browser: str, project: tuple[str, ...], language: str
) -> None:
    assert chosen_texts(wanted, browser, project).language == language
