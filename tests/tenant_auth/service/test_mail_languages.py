from __future__ import annotations

import msgspec
import pytest

from bunbase.contracts.caller import Caller
from bunbase.contracts.tenant_auth.signups import NewUserInvite
from bunbase.contracts.tenant_auth.users import NewUser
from bunbase.pkg.clock import ManualClock
from bunbase.pkg.errors import InvalidInput
from bunbase.tenant_auth.service import TenantAuthService
from tests.rooms import secret_caller
from tests.tenant_auth.mailbox import link, mails
from tests.tenant_auth.people import AT_BAKERY, BAKERY, PASSWORD, as_user, change_settings, signed_up, without_password

EVE = "eve@example.com"
PAGE = {"languages": ["en", "de", "fr"]}


def reading(accept_language: str) -> Caller:
    return msgspec.structs.replace(AT_BAKERY, accept_language=accept_language)


async def subjects(room: TenantAuthService, to: str = EVE) -> list[str]:
    """Return the subjects of the mails to an address, oldest first."""
    return [mail.subject for mail in reversed(await mails(room, to))]


async def test_a_user_gets_mails_in_the_language_of_the_sign_up_and_a_newcomer_in_that_of_the_browser(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, app_name="Bakery", sign_in_page=PAGE)
    eve = await signed_up(tenant_auth, reading("de-CH,de;q=0.9,en;q=0.8"))
    caller = await as_user(tenant_auth, AT_BAKERY, eve.access_token, clock.now().timestamp)

    # A stranger's browser does not choose the language for the user.
    await tenant_auth.request_user_code(reading("fr"), EVE)
    await tenant_auth.request_user_code(reading("fr-BE"), "new@example.com")
    await tenant_auth.request_user_code(reading("it"), "other@example.com")
    await mails(tenant_auth, EVE)
    changed = await tenant_auth.update_me(caller, None, "fr")
    await tenant_auth.request_user_code(AT_BAKERY, EVE)

    assert eve.user.language == "de-CH"
    assert (changed.language, changed.data) == ("fr", eve.user.data)
    assert await subjects(tenant_auth) == ["Dein Code für Bakery", "Votre code pour Bakery"]
    assert await subjects(tenant_auth, "new@example.com") == ["Votre code pour Bakery"]
    assert await subjects(tenant_auth, "other@example.com") == ["Your code for Bakery"]


async def test_a_change_of_address_and_an_invitation_are_in_the_language_of_the_person(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    await change_settings(tenant_auth, app_name="Bakery", sign_in_page=PAGE)
    eve = await without_password(tenant_auth, EVE, clock, email_verified=True)
    await tenant_auth.update_me(eve, None, "de")
    await tenant_auth.request_user_email_change(eve, "new@example.com")
    for address in (EVE, "new@example.com"):
        await tenant_auth.confirm_user_email_change(AT_BAKERY, await link(tenant_auth, address, "change-email"))
    server, fred = secret_caller(BAKERY), "fred@example.com"
    await tenant_auth.invite_user(server, NewUserInvite(fred, language="fr-CA"))
    token = await link(tenant_auth, fred, "sign-up")
    with pytest.raises(InvalidInput):
        await tenant_auth.invite_user(server, NewUserInvite(fred, language="french"))

    assert await subjects(tenant_auth) == [
        "Bestätige die Änderung deiner E-Mail-Adresse bei Bakery",
        "Deine E-Mail-Adresse bei Bakery hat sich geändert",
    ]
    assert await subjects(tenant_auth, "new@example.com") == ["Bestätige deine neue E-Mail-Adresse für Bakery"]
    assert "Bakery" in (await subjects(tenant_auth, fred))[0] != "You are invited to Bakery"
    assert (await tenant_auth.confirm_user_signup(reading("de"), token, PASSWORD)).user.language == "fr-CA"


async def test_texts_of_the_project_come_before_the_built_in_ones(tenant_auth: TenantAuthService) -> None:
    templates = {"sign_in_code": {"subject": "Hi from $app"}}
    german = {"sign_in_code": {"subject": "Servus von $app"}}
    await change_settings(
        tenant_auth,
        app_name="Bakery",
        sign_in_page=PAGE,
        mail={"templates": templates, "languages": {"de": german, "nl": {"sign_in_code": {"subject": "Hoi van $app"}}}},
    )
    for language in ("de", "fr", "nl-BE", "it"):
        await tenant_auth.request_user_code(reading(language), f"{language[:2]}@example.com")

    found = {one: (await subjects(tenant_auth, f"{one}@example.com"))[0] for one in ("de", "fr", "nl", "it")}
    [code] = await mails(tenant_auth, "de@example.com")

    assert found == {"de": "Servus von Bakery", "fr": "Hi from Bakery", "nl": "Hoi van Bakery", "it": "Hi from Bakery"}
    assert "Dein Code für die Anmeldung" in code.text, "parts without a text of the project are built-in ones"


async def test_a_project_that_offers_one_language_sends_all_mails_in_it(tenant_auth: TenantAuthService) -> None:
    await change_settings(tenant_auth, app_name="Bakery")
    await tenant_auth.request_user_code(reading("de"), EVE)
    assert await subjects(tenant_auth) == ["Your code for Bakery"]

    await change_settings(tenant_auth, sign_in_page={"languages": ["de"]})
    server = secret_caller(BAKERY)
    await tenant_auth.create_user(server, NewUser("bob@example.com"))
    await tenant_auth.request_user_code(reading("en"), "bob@example.com")
    assert await subjects(tenant_auth, "bob@example.com") == ["Dein Code für Bakery"]


async def test_wrong_languages_and_unknown_fields_are_refused(
    tenant_auth: TenantAuthService, clock: ManualClock
) -> None:
    with pytest.raises(InvalidInput):
        await change_settings(tenant_auth, mail={"languages": {"german": {}}})
    with pytest.raises(InvalidInput):
        await change_settings(tenant_auth, mail={"languages": {"de": {"sign_in_code": {"subject": "$email"}}}})
    eve = await signed_up(tenant_auth)
    caller = await as_user(tenant_auth, AT_BAKERY, eve.access_token, clock.now().timestamp)
    with pytest.raises(InvalidInput):
        await tenant_auth.update_me(caller, None, "de\r\nBcc: x@example.com")
