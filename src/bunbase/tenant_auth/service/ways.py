"""All sign-in and sign-up methods. All methods share one part that opens sessions.

An app gets the tokens of a session at once. The sign-in page stores the tokens under a code, so each request uses the
same methods with its own `OpenSession`.
"""

from __future__ import annotations

import msgspec

from bunbase.tenant_auth.captchas import Captchas
from bunbase.tenant_auth.places import Places
from bunbase.tenant_auth.service.anonymous import Anonymous
from bunbase.tenant_auth.service.external import ExternalAccounts
from bunbase.tenant_auth.service.mail_requests import MailRequests
from bunbase.tenant_auth.service.mailbox_sign_in import MailboxSignIn
from bunbase.tenant_auth.service.open_session import OpenSession
from bunbase.tenant_auth.service.passkeys import UserPasskeys
from bunbase.tenant_auth.service.phone import PhoneSignIn
from bunbase.tenant_auth.service.proofs import Proofs
from bunbase.tenant_auth.service.second_factor import SecondFactorSignIn
from bunbase.tenant_auth.service.shown_address import ShownSignIn
from bunbase.tenant_auth.service.sign_in import SignIn
from bunbase.tenant_auth.service.sign_up import SignUp


class Needs(msgspec.Struct, frozen=True):
    """The parts that all methods share, and that do not depend on the part that opens sessions."""

    places: Places
    requests: MailRequests
    proofs: Proofs
    captchas: Captchas


class Ways:
    """All methods. An object is cheap to create, because no part has state."""

    def __init__(self, opening: OpenSession, needs: Needs) -> None:
        self.opening = opening
        self.needs = needs
        places, requests, proofs, captchas = needs.places, needs.requests, needs.proofs, needs.captchas
        self.anonymous = Anonymous(opening, places, captchas)
        shown = ShownSignIn(opening, places, self.anonymous)
        self.by_mailbox = MailboxSignIn(requests, shown, captchas)
        self.by_phone = PhoneSignIn(requests, shown, proofs, captchas)
        self.external = ExternalAccounts(opening, proofs, places)
        self.passkeys = UserPasskeys(opening, proofs)
        self.second_factor = SecondFactorSignIn(opening)
        self.sign_in = SignIn(opening)
        self.sign_up = SignUp(opening, places, requests, self.anonymous, captchas)

    def with_opening(self, opening: OpenSession) -> Ways:
        """Return the same methods, but with this part to open sessions."""
        return Ways(opening, self.needs)
