from __future__ import annotations

import pytest

from bunbase.contracts.tenant_auth.settings import MailTexts
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.mail_texts import check_texts


@pytest.mark.parametrize(
    ("kind", "texts", "told"),
    [
        ("verify_mail", MailTexts(subject="Hello"), "/mail/templates/verify_mail"),
        ("member_invite", MailTexts(subject="Hello"), "/mail/templates/member_invite"),
        ("verify_email", MailTexts(body="Hello $name"), "$name"),
        ("verify_email", MailTexts(footer="It costs $ 5"), "$$"),
        ("password_changed", MailTexts(heading="${url}"), "$url"),
    ],
    ids=["unknown", "of developers", "field", "dollar", "link"],
)
def test_a_text_with_an_unknown_field_or_mail_is_refused(kind: str, texts: MailTexts, told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_texts("/mail/templates", {kind: texts})

    assert told in str(refused.value.extra) + refused.value.detail


def test_a_text_may_name_the_fields_of_its_mail() -> None:
    texts = MailTexts(subject="$code is your code for ${app}", body="$$5 until $valid_for")
    check_texts("/mail/templates", {"sign_in_code": texts})
