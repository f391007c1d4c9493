"""The languages of the pages for end users. A new language is a module with `TEXTS`, and one line here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bunbase.contracts.tenant_auth.problems import SignupRefused
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.password_rules import WeakPassword, WeakReason
from bunbase.pkg.passwords import MAX_LENGTH
from bunbase.pkg.web_pages.languages import matching, preferred
from bunbase.tenant_auth.languages import de, en, es, fr
from bunbase.tenant_auth.languages.texts import Texts

LANGUAGES: Final = {texts.language: texts for texts in (en.TEXTS, de.TEXTS, fr.TEXTS, es.TEXTS)}


def chosen_texts(wanted: str, accept_language: str, project: Sequence[str] = ()) -> Texts:
    """Return the texts for a reader. `wanted`: the language that the app requests, or "".

    `project`: the languages that the project has chosen. If `project` is empty, all languages are allowed. A language
    without texts is ignored.
    """
    asked = matching(wanted, tuple(LANGUAGES)) if wanted else ""
    offered = [known for tag in project if (known := matching(tag, tuple(LANGUAGES)))] or list(LANGUAGES)
    return LANGUAGES[asked or preferred(accept_language, offered)]


def problem_text(texts: Texts, problem: Problem, least: int) -> str:
    """Return the text about a problem for the reader. `least`: the minimum length of a password in the project."""
    if isinstance(problem, SignupRefused):
        return problem.detail  # The app's own hook has written this text.
    if isinstance(problem, WeakPassword) and problem.extra.get("reason") in texts.weak_passwords:
        return texts.weak_passwords[WeakReason(problem.extra["reason"])]
    known = texts.problems.get(problem.code)
    if known is not None:
        return known
    if isinstance(problem, InvalidInput):
        paths = {error["path"] for error in problem.extra.get("errors", ())}
        if "/password" in paths:
            return texts.password_length.format(least=least, most=MAX_LENGTH)
        if "/email" in paths:
            return texts.wrong_email
        if "/phone" in paths:
            return texts.wrong_phone
    return texts.problem
