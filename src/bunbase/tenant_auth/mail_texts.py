"""Check the texts by which a project replaces the built-in texts of its mails."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from string import Template as Pattern
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.settings import MailTexts
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.mail.templates import (
    ALREADY_REGISTERED,
    INSTALLATION_INVITE,
    MEMBER_INVITE,
    ROLE_CHANGED,
    TEMPLATES,
    Template,
)

OF_DEVELOPERS: Final = frozenset(
    one.kind for one in (ALREADY_REGISTERED, INSTALLATION_INVITE, MEMBER_INVITE, ROLE_CHANGED)
)
KINDS: Final = {kind: template for kind, template in TEMPLATES.items() if kind not in OF_DEVELOPERS}


def check_texts(at: str, templates: Mapping[str, MailTexts]) -> None:
    """Check that each text belongs to a kind of mail, and names only fields of this mail. Raises: InvalidInput.

    `at`: the place of the texts in the settings.
    """
    for kind, texts in templates.items():
        if kind not in KINDS:
            near = get_close_matches(kind, KINDS, 1)
            advice = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(KINDS))}."
            raise InvalidInput.at(f"{at}/{kind[:80]}", f"There is no such mail.{advice}")
        _check_mail(f"{at}/{kind}", KINDS[kind], texts)


def need_one_line(at: str, text: str) -> None:
    """Check that a text has only one line.

    Raises: InvalidInput if the text could add lines to the header of a mail.
    """
    if not text.isprintable():
        raise InvalidInput.at(at, "Send one line of text without control characters.")


def _check_mail(at: str, template: Template, texts: MailTexts) -> None:
    fields = template.needs() - {"url"}  # Texts may not use `url`, because only the button contains the link.
    for name, text in msgspec.structs.asdict(texts).items():
        pattern = Pattern(text)
        if not pattern.is_valid():
            raise InvalidInput.at(f"{at}/{name}", "Write $$ for a dollar sign; $ alone begins the name of a field.")
        if unknown := set(pattern.get_identifiers()) - fields:
            known = ", ".join(f"${field}" for field in sorted(fields))
            raise InvalidInput.at(f"{at}/{name}", f"This mail has no field ${min(unknown)}. There are: {known}.")
        if name != "body":
            need_one_line(f"{at}/{name}", text)
