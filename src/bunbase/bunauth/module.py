"""Open BunAuth, and declare it as a module."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.jobs import activity_jobs, mail_request_job, signing_key_jobs, upkeep_jobs
from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService, ServiceParts
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.setup import prepare_setup
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.db.database import open_database
from bunbase.pkg.errors import CannotStart
from bunbase.pkg.jobs import running
from bunbase.pkg.mail.jobs import mail_jobs
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.oidc.person import Provider
from bunbase.pkg.oidc.providers import open_provider
from bunbase.pkg.oidc.settings import ProviderSettings, check_provider
from bunbase.pkg.password_rules import opened_breached
from bunbase.pkg.passwords import open_passwords

PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@asynccontextmanager
async def open_bunauth(settings: BunAuthSettings, rooms: Rooms, site: Site) -> AsyncIterator[BunAuth]:
    async with (
        open_database(site.database_url, "bunauth", "bunbase.bunauth.migrations") as db,
        open_passwords() as passwords,
        opened_breached(settings.breached_passwords_file, settings.breached_passwords_url) as breached,
        opened_providers(settings, site) as providers,
    ):
        mails = MailOutbox(db, site.clock, site.mail, site.dev)
        stores = Stores(db, site.clock, settings.access_ttl_seconds, mails)
        await stores.lifetimes.note()
        await prepare_setup(stores.accounts, settings.setup_token, site.dev, site.tell_setup_token)
        keys = SigningKeys(stores, rooms[Kms], timedelta(days=settings.signing_key_days), site.clock)
        await keys.open()
        issuer = settings.issuer or site.public_url
        access = AccessTokens(keys, issuer, settings.access_ttl_seconds)
        parts = ServiceParts(passwords, access, rooms[Kms], breached, providers)
        service = BunAuthService(stores, parts, settings, site)
        requests = mail_request_job(service.mail_requests)
        upkeep = (*upkeep_jobs(stores, settings, site.clock), *signing_key_jobs(stores, keys))
        activity = service.account_activity
        jobs = (requests, *upkeep, *activity_jobs(activity, settings, site.clock), *mail_jobs(mails))
        async with activity.storing_the_rest(), running(*jobs):
            yield service


@asynccontextmanager
async def opened_providers(
    settings: BunAuthSettings, site: Site
) -> AsyncIterator[dict[str, tuple[ProviderSettings, Provider]]]:
    """Yield the clients of the sign-in providers. The first sign-in contacts its provider. Raises: CannotStart."""
    for name, one in settings.providers.items():
        if not PROVIDER_NAME.fullmatch(name):
            raise CannotStart(
                f"bunauth.providers: {name[:80]!r} is no name: use lower-case letters, digits and hyphens"
            )
        check_provider(f"bunauth.providers.{name}", one)

    def now() -> float:
        return site.clock.now().timestamp()

    clients = {name: (one, open_provider(one, now)) for name, one in settings.providers.items()}
    try:
        yield clients
    finally:
        for _, client in clients.values():
            await client.close()


MODULE = Module("bunauth", provides=BunAuth, needs=(Kms,), settings=BunAuthSettings, open=open_bunauth, routes=ROUTES)
