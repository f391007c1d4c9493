"""The parts of BunAuth's pages for people who sign in with another service."""

from __future__ import annotations

from bunbase.bunauth.pages.app import page
from bunbase.contracts.bunauth.page_sign_in import PASSKEY, PASSKEY_OPTIONS, SECOND_FACTOR, ActPage, PageWays
from bunbase.pkg.web_pages.layout import alert, link, small
from bunbase.pkg.web_pages.passkeys import passkey_form
from bunbase.pkg.web_pages.sign_in import code_form, service_links

REFUSED = "The sign-in was refused at the other service."
UNFINISHED = "The other service did not answer as expected. Try again, or sign in in another way."


def other_ways(to: ActPage, ways: PageWays) -> str:
    return service_links([(one.title, to.start(one.name)) for one in ways.providers]) + "\n" + by_passkey(to)


def by_passkey(to: ActPage, challenge: str = "") -> str:
    return passkey_form(PASSKEY, PASSKEY_OPTIONS, to.fields, challenge)


def second_step(to: ActPage, challenge: str) -> str:
    if not challenge:
        return ""
    return code_form(SECOND_FACTOR, (*to.fields, ("challenge", challenge))) + "\n" + by_passkey(to, challenge)


def wrong_code(to: ActPage, challenge: str, error: str) -> str:
    return page("Second factor", alert(error), second_step(to, challenge), link(to.address, "Back"))


def signed_in_as(email: str) -> str:
    return small(f"You are signed in as {email}, for this page alone.")


def unfinished(to: ActPage, error: str) -> str:
    return page(
        "Nobody was signed in", alert(REFUSED if error == "access_denied" else UNFINISHED), link(to.address, "Back")
    )
