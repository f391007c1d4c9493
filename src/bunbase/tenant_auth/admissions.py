"""Decide who may sign up in a project. The project's server and its developers may add any user."""

from __future__ import annotations

from bunbase.contracts.bunauth.problems import SignupsClosed
from bunbase.contracts.tenant_auth.problems import EmailDomainNotAllowed
from bunbase.contracts.tenant_auth.settings import Enumeration, ProjectAuth, Signups
from bunbase.pkg.addresses import compared_domain, email_or_none


def confirms_addresses(auth: ProjectAuth) -> bool:
    """True if people who sign up with a password must first confirm their address by mail.

    Without this confirmation, anybody could sign up with an address of an allowed domain, and the answer to a sign-up
    would show which addresses have a user.
    """
    return auth.verify_emails or bool(auth.email_domains) or auth.enumeration is Enumeration.CLOSED


def check_admission(auth: ProjectAuth, email: str | None) -> None:
    """Check that a person may sign up, with any sign-in method.

    `email`: the address in its normal form, or None for a person without an address.

    Raises: SignupsClosed, EmailDomainNotAllowed.
    """
    if auth.signups is not Signups.OPEN:
        raise SignupsClosed("Ask the people who run this app to add you.")
    check_domain(auth, email)


def check_domain(auth: ProjectAuth, email: str | None) -> None:
    """Check that a user may choose an address. Raises: EmailDomainNotAllowed."""
    if not allows_domain(auth, email):
        raise EmailDomainNotAllowed("Use an address of your organisation, or ask the people who run this app.")


def allows_domain(auth: ProjectAuth, email: str | None) -> bool:
    """True if the domain of an address is allowed, in any spelling, so that mails for the address reach this domain."""
    if not auth.email_domains:
        return True
    normal = None if email is None else email_or_none(email)
    if normal is None:
        return False
    return compared_domain(normal.rpartition("@")[2]) in {compared_domain(domain) for domain in auth.email_domains}


def admits(auth: ProjectAuth, email: str | None) -> bool:
    """True if a person with this address, or without one, may sign up.

    Use this if the answer must not show the decision.
    """
    try:
        check_admission(auth, email)
    except (SignupsClosed, EmailDomainNotAllowed):
        return False
    return True
