"""Open BunAuth, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from bunbase.bunauth.access_tokens import AccessTokens
from bunbase.bunauth.jobs import mail_request_job, signing_key_jobs, upkeep_jobs
from bunbase.bunauth.routes import ROUTES
from bunbase.bunauth.service import BunAuthService
from bunbase.bunauth.settings import BunAuthSettings
from bunbase.bunauth.setup import prepare_setup
from bunbase.bunauth.signing_keys import SigningKeys
from bunbase.bunauth.store import Stores
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.bunkms import Kms
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jobs import running
from bunbase.pkg.mail.jobs import mail_jobs
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.passwords import open_passwords


@asynccontextmanager
async def open_bunauth(settings: BunAuthSettings, rooms: Rooms, site: Site) -> AsyncIterator[BunAuth]:
    async with (
        open_database(site.database_url, "bunauth", "bunbase.bunauth.migrations") as db,
        open_passwords() as passwords,
    ):
        mails = MailOutbox(db, site.clock, site.mail, site.dev)
        stores = Stores(db, site.clock, settings.access_ttl_seconds, mails)
        await stores.lifetimes.note()
        await prepare_setup(stores.accounts, settings.setup_token, site.dev, site.tell_setup_token)
        keys = SigningKeys(stores, rooms[Kms], timedelta(days=settings.signing_key_days), site.clock)
        await keys.open()
        issuer = settings.issuer or site.public_url
        access = AccessTokens(keys, issuer, settings.access_ttl_seconds)
        service = BunAuthService(stores, passwords, access, rooms[Kms], settings, site)
        requests = mail_request_job(service.mail_requests)
        upkeep = (*upkeep_jobs(stores, settings, site.clock), *signing_key_jobs(stores, keys))
        async with running(requests, *upkeep, *mail_jobs(mails)):
            yield service


MODULE = Module("bunauth", provides=BunAuth, needs=(Kms,), settings=BunAuthSettings, open=open_bunauth, routes=ROUTES)
