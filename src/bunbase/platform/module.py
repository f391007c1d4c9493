"""Open Platform, and declare it as a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.bunkms import Kms
from bunbase.contracts.functions.service import Functions
from bunbase.contracts.platform import Platform
from bunbase.contracts.storage import Storage
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.pkg.db.database import open_database
from bunbase.pkg.jobs import running
from bunbase.pkg.mail.jobs import mail_jobs
from bunbase.pkg.mail.outbox import MailOutbox
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.upkeep import upkeep_job
from bunbase.platform.administration.routes import ROUTES as ADMINISTRATION_ROUTES
from bunbase.platform.audit.activity import activity_job
from bunbase.platform.audit.retention import retention_job
from bunbase.platform.audit.routes import ROUTES as AUDIT_ROUTES
from bunbase.platform.jobs import destroy_job, relay_job
from bunbase.platform.routes import ROUTES
from bunbase.platform.s3_credentials.routes import ROUTES as S3_CREDENTIAL_ROUTES
from bunbase.platform.service import PlatformService, Surroundings
from bunbase.platform.service_accounts.routes import ROUTES as SERVICE_ACCOUNT_ROUTES
from bunbase.platform.settings import PlatformSettings
from bunbase.platform.store import Stores


@asynccontextmanager
async def open_platform(settings: PlatformSettings, rooms: Rooms, site: Site) -> AsyncIterator[Platform]:
    async with open_database(site.database_url, "platform", "bunbase.platform.migrations") as db:
        mails = MailOutbox(db, site.clock, site.mail, site.dev)
        stores = Stores(db, site.clock, settings.max_keys_per_project, mails)
        relay = relay_job(stores, rooms)
        around = Surroundings(
            rooms[Kms],
            rooms[BunAuth],
            rooms[Bundoc],
            rooms[TenantAuth],
            rooms[Storage],
            site.clock,
            site.public_url,
            tell_others=relay.nudge,
            sends_mail=site.dev or site.mail.configured,
        )
        service = PlatformService(stores, around, settings)

        async def delete_expired(before: datetime) -> None:
            await stores.delete_expired(before)
            await service.accounts.store.delete_old_assertions(before)

        jobs = (
            relay,
            upkeep_job("platform", stores.feed, delete_expired, site.clock),
            destroy_job(service.deletion.destroy_overdue),
            activity_job(service.audit_log.store, rooms[BunAuth], site.clock),
            retention_job(service.audit_log.store, settings.audit_retention_days, site.clock),
            *mail_jobs(mails),
        )
        async with running(*jobs):
            yield service


MODULE = Module(
    "platform",
    provides=Platform,
    needs=(Kms, BunAuth, TenantAuth, Bundoc, Buncast, Storage, Functions),
    settings=PlatformSettings,
    open=open_platform,
    routes=(*ROUTES, *SERVICE_ACCOUNT_ROUTES, *S3_CREDENTIAL_ROUTES, *AUDIT_ROUTES, *ADMINISTRATION_ROUTES),
)
