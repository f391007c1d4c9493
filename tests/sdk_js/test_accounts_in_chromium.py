"""Ways to sign in that need a browser, through the client: passkeys, other services, mails, second factors, phones."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any, Final

import pyotp
import pytest
from playwright.sync_api import Browser, Page

from bunbase.pkg.bun import find_bun
from tests.e2e.browser import chromium
from tests.e2e.instance import poll
from tests.e2e.test_passkeys_in_a_browser import AUTHENTICATOR
from tests.sdk_js.sites import ROOT, Site
from tests.sdk_js.strict_server import StrictServer

PROVIDER: Final = ROOT / "tests/bunauth/whole/provider.mjs"
PASSWORD: Final = "apples and pears"
PHONE: Final = "+491701234567"
TOKEN: Final = re.compile(r"umt_[\w-]+")
PAGE: Final = """<!doctype html><title>page</title><script type=module>
    import { createClient, Problem } from "/bundles/index.js";
    window.start = (url, key) => {
        window.auth = createClient(url, key).auth;
        window.refused = promise => promise.then(() => null, error => {
            if (!Problem.is(error)) throw error;
            const stated = `${error.code}: ${error.message}`;
            return [error.code, error.body.challenge ?? stated];
        });
    };
</script>"""


class Tab:
    """A page of an app, with the client as `auth`."""

    def __init__(self, page: Page, site: Site, url: str) -> None:
        self.page, self.site, self.url = page, site, url
        self.page.goto(url)
        self.start()

    def start(self) -> None:
        self.page.wait_for_function("() => window.start")
        self.page.evaluate("([url, key]) => start(url, key)", [self.site.url, self.site.key])

    def run(self, code: str, *given: Any) -> Any:
        """Return the value of an expression in the page.

        `given` are the values of `a`, `b` and `c` in the expression.
        """
        return self.page.evaluate(f"async ([a, b, c]) => ({code})", list(given))

    def refusal(self, code: str, *given: Any) -> list[str]:
        """Return the code of the Problem that a call throws, and its challenge or its explanation."""
        refused: list[str] | None = self.run(f"await refused({code})", *given)
        assert refused, f"{code} was not refused"
        return refused

    def signed_up(self, name: str) -> str:
        """Sign a person up, and return the address."""
        email = f"{name}@example.com"
        self.run("(await auth.signUp({ email: a, password: b })).email", email, PASSWORD)
        return email

    def leave_and_return(self, code: str) -> str:
        """Run a call that leaves the page, wait until the browser is back, and return the browser's address."""
        with self.page.expect_navigation(url=re.compile(re.escape(self.url) + r"/?\?(code|error)=")):
            self.run(f"void {code}")
        self.start()
        return self.page.url


class Device:
    """The device of a page, which has passkeys. The owner of the device agrees at once to each use of a passkey."""

    def __init__(self, tab: Tab) -> None:
        self.devtools = tab.page.context.new_cdp_session(tab.page)
        self.devtools.send("WebAuthn.enable")
        made = self.devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self.id = made["authenticatorId"]

    def owner(self, *, agrees: bool) -> None:
        """Make the owner refuse from now on, as if cancelling the dialog, or agree again."""
        self.devtools.send("WebAuthn.setUserVerified", {"authenticatorId": self.id, "isUserVerified": agrees})

    def owner_waits(self) -> None:
        """Make the owner do nothing from now on, so that dialogs stay open."""
        waits = {"authenticatorId": self.id, "enabled": False}
        self.devtools.send("WebAuthn.setAutomaticPresenceSimulation", waits)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def app(site: Site, strict: StrictServer) -> str:
    """Return the address of an app that may use passkeys.

    The app's project has passkeys on, and sends text messages.
    """
    url = strict.url.replace("127.0.0.1", "localhost")
    strict.pages["/"] = PAGE
    site.change_settings(
        redirect_urls=["http://127.0.0.1", url],
        passkeys={"rp_id": "localhost", "origins": [url]},
        phone={"countries": ["DE"]},
    )
    return url


@pytest.fixture
def tab(browser: Browser, site: Site, app: str) -> Iterator[Tab]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield Tab(context.new_page(), site, app)
    context.close()


@pytest.fixture
def device(tab: Tab) -> Device:
    return Device(tab)


@pytest.fixture(scope="module")
def provider(site: Site) -> Iterator[str]:
    """Yield the address of a service that signs in the person of the cookie `person`, by default Ada."""
    command = [str(find_bun()), str(PROVIDER), f"{site.url}/v1/auth/oauth/plain/callback", "localhost"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            issuer = next(line.strip() for line in process.stdout if line.startswith("http"))
            client = {"issuer": issuer, "client_id": "bunbase", "client_secret": "a secret: of the client/+"}
            site.change_settings(providers={"plain": client})
            yield issuer
            site.change_settings(providers={"plain": None})
        finally:
            process.terminate()


def test_a_passkey_is_added_named_used_and_removed(tab: Tab, device: Device) -> None:
    email = tab.signed_up("passkey")

    made = tab.run("await auth.passkeys.register('laptop')")
    twice = tab.refusal("auth.passkeys.register('twice')")
    tab.run("await auth.passkeys.rename(a, 'old laptop')", made["id"])
    tab.run("await auth.signOut()")
    user = tab.run("await auth.signIn({ passkey: true })")
    tab.run("await auth.reauthenticate({ passkey: true })")
    (listed,) = tab.run("await auth.passkeys.list()")
    tab.run("await auth.passkeys.remove(a)", made["id"])
    left = tab.run("await auth.passkeys.list()")
    tab.run("await auth.signOut()")
    removed = tab.refusal("auth.signIn({ passkey: true })")

    assert (made["name"], listed["name"], listed["last_used_at"] is not None) == ("laptop", "old laptop", True)
    assert (twice[0], removed[0]) == ("passkey_failed", "wrong_passkey")
    assert (user["email"], left, tab.run("auth.user")) == (email, [], None)


def test_a_dialog_that_the_person_cancels_or_the_page_ends_is_explained(tab: Tab, device: Device) -> None:
    tab.signed_up("cancels")
    tab.run("await auth.passkeys.register()")
    device.owner(agrees=False)

    calls = ("auth.passkeys.register()", "auth.signIn({ passkey: true })", "auth.reauthenticate({ passkey: true })")
    cancelled = [tab.refusal(call) for call in calls]
    device.owner(agrees=True)
    device.owner_waits()
    soon = "{ signal: AbortSignal.timeout(100) }"
    aborted = [tab.refusal(call.replace("()", f"('', {soon})").replace(" })", f" }}, {soon})")) for call in calls]

    assert [code for code, _ in cancelled] == ["passkey_failed"] * 3
    assert {detail.endswith("Try again, or use another way.") for _, detail in cancelled} == {True}
    assert [code for code, _ in aborted] == ["aborted"] * 3
    assert tab.run("auth.user.email") == "cancels@example.com"


def test_a_second_factor_is_an_app_a_recovery_code_or_a_passkey(tab: Tab, device: Device) -> None:
    email = tab.signed_up("factors")
    tab.run("await auth.passkeys.register()")
    secret, uri = tab.run("await auth.totp.begin().then(({ secret, uri }) => [secret, uri])")
    phone = pyotp.TOTP(secret)
    recovery_codes = tab.run("await auth.totp.confirm(a)", phone.now())
    state = tab.run("await auth.totp.state()")

    def second_step(factor: str, *given: Any) -> Any:
        tab.run("await auth.signOut()")
        code, challenge = tab.refusal("auth.signIn({ email: a, password: b })", email, PASSWORD)
        assert code == "second_factor_required"
        return tab.run(f"await auth.secondFactor(a, {factor}).then(user => user.email)", challenge, *given)

    by_passkey = second_step("{ passkey: true }")
    by_recovery_code = second_step("{ recoveryCode: b }", recovery_codes[0])
    wrong = tab.refusal("auth.reauthenticate({ code: '000000' })")
    by_code = second_step("{ code: b }", phone.at(int(time.time()) + 30))  # The code of this moment was used already.
    left = tab.run("await auth.totp.state()")["recovery_codes_left"]
    renewed = tab.run("await auth.totp.newRecoveryCodes()")
    tab.run("await auth.totp.remove()")
    tab.run("await auth.signOut()")

    assert (uri.startswith("otpauth://totp/"), state["enabled"], len(recovery_codes)) == (True, True, 10)
    assert [by_passkey, by_recovery_code, by_code] == [email] * 3
    assert (wrong[0], left, len(renewed), set(renewed) & set(recovery_codes)) == ("wrong_proof", 9, 10, set())
    assert tab.run("(await auth.signIn({ email: a, password: b })).email", email, PASSWORD) == email


def test_a_project_that_needs_a_second_factor_lets_a_person_set_it_up_at_the_sign_up(tab: Tab, site: Site) -> None:
    site.change_settings(second_factor="required")
    try:
        account = ("enrols@example.com", PASSWORD)
        code, challenge = tab.refusal("auth.signUp({ email: a, password: b })", *account)
        secret = tab.run("(await auth.enrol(a)).secret", challenge)
        enrolled = tab.run("await auth.confirmEnrolment(a, b)", challenge, pyotp.TOTP(secret).now())
    finally:
        site.change_settings(second_factor=None)

    assert code == "mfa_enrolment_required"
    assert (enrolled["user"]["email"], len(enrolled["recoveryCodes"])) == ("enrols@example.com", 10)
    assert tab.run("(await auth.reload()).email") == "enrols@example.com"


def test_a_person_signs_in_by_another_service_and_a_code_works_once(tab: Tab, provider: str) -> None:
    offered = tab.run("await auth.providers()")
    back = tab.leave_and_return("auth.signInWith('plain')")
    verifier = tab.run("Object.entries(sessionStorage)")

    user = tab.run("await auth.finishRedirect()")
    after = tab.page.url
    tab.run("void a.forEach(([name, value]) => sessionStorage.setItem(name, value))", verifier)
    twice = tab.refusal("auth.finishRedirect(a)", back)
    without = tab.refusal("auth.finishRedirect(a)", back)

    assert [one["name"] for one in offered] == ["plain"]
    assert (user["email"], user["email_verified"], after.rstrip("/")) == ("ada@example.com", True, tab.url)
    assert (twice[0], without[0]) == ("external_login_expired", "external_login_expired")
    assert tab.run("auth.user.email") == "ada@example.com", "a refused code ends no session"
    assert tab.run("[await auth.finishRedirect(), sessionStorage.length]") == [None, 0]


def test_two_tabs_that_sign_in_at_once_each_use_their_own_secret(tab: Tab, provider: str) -> None:
    other = Tab(tab.page.context.new_page(), tab.site, tab.url)

    def both_return() -> list[str]:
        return [one.leave_and_return("auth.signInWith('plain')") for one in (tab, other)]

    both_return()
    users = [one.run("(await auth.finishRedirect()).email") for one in (tab, other)]
    _, of_the_other = both_return()
    foreign = tab.refusal("auth.finishRedirect(a)", of_the_other)

    assert users == ["ada@example.com"] * 2
    assert foreign[0] == "external_login_expired"


def test_a_refused_consent_is_explained_and_another_service_is_linked_and_removed(tab: Tab, provider: str) -> None:
    email = tab.signed_up("links")

    def person(name: str) -> None:
        tab.page.context.clear_cookies()
        tab.page.context.add_cookies([{"name": "person", "value": name, "url": provider}])

    person("refuses")
    tab.leave_and_return("auth.linkWith('plain')")
    refused = tab.refusal("auth.finishRedirect()")
    person("nobody")
    tab.leave_and_return("auth.linkWith('plain')")
    linked = tab.run("(await auth.finishRedirect()).email")
    tab.run("await auth.signOut()")
    tab.leave_and_return("auth.signInWith('plain')")
    signed_in = tab.run("(await auth.finishRedirect()).email")
    (identity,) = tab.run("await auth.identities.list()")
    tab.run("await auth.identities.unlink(a)", identity["id"])

    assert refused == ["access_denied", "access_denied: The sign-in failed (access_denied). Try again."]
    assert (linked, signed_in, identity["provider"]) == (email, email, "plain")
    assert tab.run("await auth.identities.list()") == []


def test_the_sign_in_page_leads_back_to_the_app_with_a_session(tab: Tab) -> None:
    email = tab.signed_up("page")
    tab.run("await auth.signOut()")

    tab.run("void auth.openSignInPage()")
    tab.page.get_by_label("Email").fill(email)
    tab.page.get_by_label("Password").fill(PASSWORD)
    tab.page.get_by_role("button", name="Sign in", exact=True).click()
    tab.page.wait_for_url(f"{tab.url}/?code=*")
    tab.start()
    # The call happens twice, as in React's strict mode.
    found = tab.run("[(await auth.finishRedirect()).email, await auth.finishRedirect()]")

    assert found == [email, None]
    assert tab.run("[location.search, localStorage.length, sessionStorage.length]") == ["", 1, 0]


def test_mails_sign_in_replace_a_password_and_change_an_address(tab: Tab, site: Site) -> None:
    email, new = tab.signed_up("mails"), "mails@example.org"

    def token(to: str, before: int = 0) -> str:
        newest: str = poll(lambda: site.mails(to)[: -before or None], what=f"a mail to {to}")[0]
        return str(TOKEN.findall(newest)[0])

    tab.run("await auth.sendVerification()")
    tab.run("await auth.verifyEmail(a)", token(email))
    verified = tab.run("auth.user.email_verified")
    tab.run("await auth.changeEmail(a)", new)
    pending = tab.run("await auth.confirmEmail(a)", token(email, 1))
    changed = tab.run("[await auth.confirmEmail(a), auth.user.email]", token(new))
    tab.run("await auth.signOut()")
    sent = len(site.mails(new))
    tab.run("await auth.sendLink(a, { redirectTo: location.href })", new)
    tab.page.goto(f"{tab.url}/?token={token(new, sent)}")
    tab.start()
    by_link = tab.run("[(await auth.finishRedirect()).email, location.search]")
    tab.run("await auth.sendPasswordReset(a)", new)
    tab.run("await auth.resetPassword(a, 'another horse battery')", token(new, sent + 1))
    # The session ends within a second.
    over = poll(lambda: tab.run("await refused(auth.reload())"), what="the session ends")
    by_password = tab.run("(await auth.signIn({ email: a, password: 'another horse battery' })).email", new)

    assert (verified, pending, changed) == (True, "pending", ["changed", new])
    assert (by_link, over[0], by_password) == ([new, ""], "invalid_token", new)


def test_a_text_message_signs_in_and_a_number_is_changed_and_removed(tab: Tab, site: Site) -> None:
    email, other = tab.signed_up("phones"), "+491707654321"

    def code(to: str) -> str:
        text: str = poll(lambda: site.mails(to), what=f"a text message to {to}")[0]
        return text.strip()

    tab.run("await auth.changePhone(a)", PHONE)
    confirmed = tab.run("(await auth.confirmPhone(a, b)).phone", PHONE, code(PHONE))
    removed = tab.run("(await auth.removePhone()).phone")
    tab.run("await auth.signOut()")
    tab.run("await auth.sendCode({ phone: a })", other)
    wrong = tab.refusal("auth.signIn({ phone: a, code: '00000x' })", other)
    user = tab.run("await auth.signIn({ phone: a, code: b })", other, code(other))
    last = tab.refusal("auth.removePhone()")

    assert (confirmed, removed, email) == (PHONE, None, "phones@example.com")
    assert (wrong[0], last[0]) == ("invalid_code", "last_sign_in_method")
    assert (user["phone"], user["email"]) == (other, None)
