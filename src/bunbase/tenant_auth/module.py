"""Open tenant_auth, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jobs import running
from bunbase.pkg.mail.jobs import mail_jobs
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.mail.own_ways import OwnWaysSender, own_ways_job
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.password_rules import opened_breached
from bunbase.pkg.passwords import open_passwords
from bunbase.tenant_auth.access_tokens import UserTokens
from bunbase.tenant_auth.jobs import (
    active_user_jobs,
    activity_jobs,
    mail_request_job,
    relay_job,
    settings_job,
    text_message_jobs,
    upkeep_jobs,
)
from bunbase.tenant_auth.pool import Pools, SharedParts
from bunbase.tenant_auth.routes import ROUTES
from bunbase.tenant_auth.service import TenantAuthService
from bunbase.tenant_auth.settings import TenantAuthSettings, check_settings
from bunbase.tenant_auth.store import Stores


@asynccontextmanager
async def open_tenant_auth(settings: TenantAuthSettings, rooms: Rooms, site: Site) -> AsyncIterator[TenantAuth]:
    check_settings(settings)
    async with (
        open_database(site.database_url, "tenant_auth", "bunbase.tenant_auth.migrations") as db,
        open_passwords() as passwords,
        opened_breached(settings.breached_passwords_file, settings.breached_passwords_url) as breached,
    ):
        mails = MailOutbox(db, site.clock, site.mail, site.dev, settings.max_mails_per_hour)
        stores = Stores(db, site.clock, settings.access_ttl_seconds, mails)
        await stores.settings.note_lifetimes()
        pools = Pools(stores, rooms[Kms], SharedParts(passwords, breached), settings, site)
        access = UserTokens(rooms[Kms], site.public_url)
        service = TenantAuthService(pools, access, rooms.later(Functions), rooms.later(Bundoc))
        mails.connect(pools.sender_of, pools.for_reader, pools.is_known, service.hooks.sends_mail)
        own_ways = OwnWaysSender(mails, service.hooks)
        asked = (mail_request_job(service.mail_requests), *text_message_jobs(service.texts))
        kept = (settings_job(stores, pools, access), *upkeep_jobs(stores, settings, site.clock))
        async with (
            pools.journal.storing_the_rest(),
            running(
                *asked,
                *kept,
                relay_job(stores, service.hooks, service.cascade),
                *active_user_jobs(service.active_months),
                *activity_jobs(pools.journal, settings),
                *mail_jobs(mails, service.hooks.projects),
                own_ways_job(own_ways),
            ),
        ):
            try:
                yield service
            finally:
                await service.captchas.close()
                await service.texts.stop()
                await own_ways.stop()


MODULE = Module(
    "tenant_auth",
    provides=TenantAuth,
    needs=(Kms,),
    calls=(Bundoc, Functions),
    settings=TenantAuthSettings,
    open=open_tenant_auth,
    routes=ROUTES,
)
