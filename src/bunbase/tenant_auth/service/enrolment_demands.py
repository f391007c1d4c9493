"""Projects that demand a second factor: a user without a second factor gets a challenge instead of a session."""

from __future__ import annotations

from bunbase.contracts.tenant_auth.problems import MfaEnrolmentRequired
from bunbase.contracts.tenant_auth.settings import SecondFactorPolicy
from bunbase.pkg.identity.sign_in_challenges import SECONDS
from bunbase.tenant_auth.people import Person
from bunbase.tenant_auth.pool import Pool
from bunbase.tenant_auth.sign_in_methods import SignInMethod


async def needs_more(pool: Pool, person: Person, method: SignInMethod) -> bool:
    """True if a sign-in with this method needs a second factor, or requires the user to set up a second factor."""
    if method.complete:
        return False
    return demands_factor(pool, person, method) or bool((await pool.stores.factors.counts(person.id)).totp)


def demands_factor(pool: Pool, person: Person, method: SignInMethod) -> bool:
    """True if the project demands a second factor after this method. Anonymous users need no second factor."""
    required = pool.auth.second_factor is SecondFactorPolicy.REQUIRED
    return required and not method.complete and not person.user.anonymous


async def enrolment_required(pool: Pool, person: Person, method: SignInMethod) -> MfaEnrolmentRequired:
    """Return the Problem that asks the user to set up a second factor, with a new challenge."""
    return MfaEnrolmentRequired(
        "Send this challenge to POST /v1/auth/login/enrolment to set up an authenticator app.",
        challenge=await pool.challenges.add(person, method.noted),
        expires_in=SECONDS,
    )
