"""Public HTTP of tenant-auth: `/v1/auth`."""

from __future__ import annotations

from bunbase.tenant_auth.routes import (
    activity,
    bulk,
    external,
    factors,
    impersonation,
    mails,
    pages,
    passkeys,
    passwordless,
    passwords,
    phone,
    proofs,
    self_service,
    sessions,
    settings,
    sign_in_page,
    transfers,
    users,
)

ROUTES = (
    *activity.ROUTES,
    *bulk.ROUTES,
    *external.ROUTES,
    *factors.ROUTES,
    *impersonation.ROUTES,
    *mails.ROUTES,
    *pages.ROUTES,
    *passkeys.ROUTES,
    *passwordless.ROUTES,
    *passwords.ROUTES,
    *phone.ROUTES,
    *proofs.ROUTES,
    *self_service.ROUTES,
    *sessions.ROUTES,
    *settings.ROUTES,
    *sign_in_page.ROUTES,
    *transfers.ROUTES,
    *users.ROUTES,
)
