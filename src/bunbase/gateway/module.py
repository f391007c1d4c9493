"""How the gateway opens: in front of all rooms, wherever they run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bunbase.contracts.bunauth import BunAuth
from bunbase.contracts.platform import Platform
from bunbase.contracts.tenant_auth import TenantAuth
from bunbase.gateway.app import front_door
from bunbase.gateway.frame import App
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.routes import DEV_ROUTES
from bunbase.gateway.rpc import public_dispatcher
from bunbase.gateway.settings import GatewaySettings
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.ready import Readiness


@asynccontextmanager
async def open_gateway(
    settings: GatewaySettings, rooms: Rooms, site: Site, modules: Sequence[Module], readiness: Readiness
) -> AsyncIterator[App]:
    """Give the ASGI app that answers for all `modules`, each under its name in `rooms`."""
    bunauth = rooms[BunAuth]
    identity = Identity(bunauth, rooms[Platform], rooms[TenantAuth], settings.cached_credentials)
    limits = LoginLimits(settings.failed_logins_per_minute)
    routes = [route for module in modules for route in module.routes]
    dependencies = {
        **{module.name: rooms[module.provides] for module in modules},
        "site": site,
        "readiness": readiness,
        "dispatcher": public_dispatcher(bunauth, limits),
    }
    async with identity.following():
        yield front_door(settings, [*routes, *(DEV_ROUTES if site.dev else ())], dependencies, identity, limits)
