"""Check the texts with which a project replaces those of its mails."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template as Pattern
from typing import Final

import msgspec

from bunbase.contracts.tenant_auth.settings import MailTexts
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.mail.templates import INSTALLATION_INVITE, MEMBER_INVITE, TEMPLATES

OF_DEVELOPERS: Final = frozenset({INSTALLATION_INVITE.kind, MEMBER_INVITE.kind})
KINDS: Final = {kind: template for kind, template in TEMPLATES.items() if kind not in OF_DEVELOPERS}


def check_texts(templates: Mapping[str, MailTexts]) -> None:
    """Check that each text belongs to a kind of mail, and names only fields of this mail. Raises: InvalidInput."""
    for kind, texts in templates.items():
        at = f"/mail/templates/{kind}"
        if kind not in KINDS:
            raise InvalidInput.at(at, f"There is no such mail. There are: {', '.join(sorted(KINDS))}.")
        fields = KINDS[kind].fields | {"app"}
        for name, text in msgspec.structs.asdict(texts).items():
            pattern = Pattern(text)
            if not pattern.is_valid():
                raise InvalidInput.at(f"{at}/{name}", "A $ begins the name of a field; write $$ for a dollar sign.")
            if unknown := set(pattern.get_identifiers()) - fields:
                known = ", ".join(f"${field}" for field in sorted(fields))
                raise InvalidInput.at(f"{at}/{name}", f"This mail has no field ${min(unknown)}. It has: {known}.")
