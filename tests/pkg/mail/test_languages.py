from __future__ import annotations

from string import Template as Pattern

import msgspec
import pytest

from bunbase.pkg.mail.account_letters import AccountLetters
from bunbase.pkg.mail.languages import BUILT_IN, LANGUAGES, fields_in, texts_in
from bunbase.pkg.mail.templates import TEMPLATES
from bunbase.tenant_auth.mail_texts import KINDS

URL = "https://bunbase.test/x"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_mail_to_end_users_has_the_same_fields_in_the_same_parts(language: str) -> None:
    """An additional field would appear as `$name`, and a missing field would leave information out."""
    translated = texts_in(language)

    assert set(LANGUAGES[language].texts) == set(KINDS)
    for kind in KINDS:
        english, other = TEMPLATES[kind], translated[kind]
        for part in ("subject", "heading", "body", "button", "footer"):
            texts = getattr(english, part), getattr(other, part)
            assert bool(texts[0]) == bool(texts[1]), (kind, part)
            fields = [set(Pattern(text).get_identifiers()) for text in texts]
            assert part == "footer" or fields[0] == fields[1], (kind, part)
            assert fields[1] <= english.needs(), (kind, part)
            assert Pattern(texts[1]).is_valid(), (kind, part)
            assert not texts[0] or texts[0] != texts[1], (kind, part, "is not translated")
        assert (other.kind, other.notice, other.fields) == (english.kind, english.notice, english.fields)


def test_the_words_that_bunbase_writes_into_a_mail_are_translated_too() -> None:
    assert fields_in("de-AT", {"valid_for": "10 minutes", "email": "a@b.example"}) == {
        "valid_for": "10 Minuten",
        "email": "a@b.example",
    }
    assert fields_in("fr", {"valid_for": "1 hour"}) == {"valid_for": "1 heure"}
    assert fields_in("es", {"factor": "the passkey “laptop”"}) == {"factor": "la llave de acceso «laptop»"}
    assert fields_in("de", {"factor": "an authenticator app"}) == {"factor": "eine Authentifizierungs-App"}
    assert fields_in("it", {"valid_for": "1 hour"}) == {"valid_for": "1 hour"}
    for language in LANGUAGES.values():
        assert set(language.units) == {"day", "hour", "minute", "second"}


@pytest.mark.parametrize(("language", "subject", "inside"), [
    ("en", "Sign in to Bakery", "If the button does not work"),
    ("de", "Melde dich bei Bakery an", "10 Minuten"),
    ("fr", "Connectez-vous à Bakery", "Si le bouton ne fonctionne pas"),
    ("es", "Entra en Bakery", "Si el botón no funciona"),
])  # fmt: skip
def test_a_letter_is_whole_in_its_language(language: str, subject: str, inside: str) -> None:
    letter = AccountLetters("Bakery", language=language).sign_in_link("eve@example.com", URL)

    assert letter.subject == subject
    assert inside in letter.html
    assert f'lang="{language}"' in letter.html
    assert "$" not in letter.subject + letter.text


def test_a_letter_is_made_again_in_another_language_of_the_same_fields() -> None:
    code = AccountLetters("Bakery", "prj_1").sign_in_code("eve@example.com", "123456")

    german = AccountLetters("Bakery", "prj_1", language="de").again(code)

    assert (german.subject, german.to, german.project) == ("Dein Code für Bakery", code.to, code.project)
    assert "123456" in german.text
    assert AccountLetters("Bakery").again(msgspec.structs.replace(code, fields=None)).subject == code.subject
    assert BUILT_IN == ("en", "de", "es", "fr")
