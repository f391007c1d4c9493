"""Decide who may open an account by a mail or a phone, without a password."""

from __future__ import annotations

from bunbase.contracts.tenant_auth.settings import ProjectAuth, Signups


def admits(auth: ProjectAuth, email: str) -> bool:
    """True if the project lets a stranger with this address sign up."""
    domain = email.rpartition("@")[2]
    return auth.signups is Signups.OPEN and (not auth.email_domains or domain in auth.email_domains)
