"""The start of the gateway: it builds the ASGI app from the routes of all rooms, local or remote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.buncast import Buncast
from bunbase.contracts.bundoc.service import Bundoc
from bunbase.contracts.platform import Platform
from bunbase.contracts.tenant_auth.service import TenantAuth
from bunbase.gateway.app import cors, front_door
from bunbase.gateway.audit.auditor import Auditor
from bunbase.gateway.clients import Clients
from bunbase.gateway.cookie_mode import CookieUsers
from bunbase.gateway.dev_mail import get_dev_mail
from bunbase.gateway.fast_lane import FastLane
from bunbase.gateway.frame import Frame
from bunbase.gateway.guards import Guards
from bunbase.gateway.hot_routes import HotRoutes, mounted
from bunbase.gateway.identity import Identity
from bunbase.gateway.key_use import FLUSH_SECONDS
from bunbase.gateway.lane import Lane
from bunbase.gateway.live.door import LiveDoor
from bunbase.gateway.live.openings import Openings
from bunbase.gateway.live.server import LiveRooms, LiveServer
from bunbase.gateway.live.settings import LiveSettings
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.project_hosts import project_hosts
from bunbase.gateway.proxies import Proxies
from bunbase.gateway.routes import DEV_ROUTES
from bunbase.gateway.rpc import public_dispatcher
from bunbase.gateway.s3_door import S3Door
from bunbase.gateway.settings import GatewaySettings
from bunbase.gateway.sharing import Cors
from bunbase.pkg.http1.limits import Limits, descriptors
from bunbase.pkg.jobs import Job, running
from bunbase.pkg.modules import Module, Rooms, Site
from bunbase.pkg.ready import Readiness
from bunbase.pkg.rpc.client import Remote

DEFAULT_LIVE: Final = LiveSettings()


@asynccontextmanager
async def open_gateway(
    settings: GatewaySettings,
    rooms: Rooms,
    site: Site,
    modules: Sequence[Module],
    readiness: Readiness,
    live_settings: LiveSettings = DEFAULT_LIVE,
) -> AsyncIterator[Frame]:
    """Yield the ASGI app that serves the routes of all `modules`. `rooms`: the service of each module."""
    bunauth = rooms[BunAuth]
    identity = Identity(bunauth, rooms[Platform], rooms[TenantAuth], settings.cached_credentials)
    limits = LoginLimits(settings)
    cookies = CookieUsers(identity, limits, site, settings.cached_credentials)
    hosts = project_hosts(site.functions_host, site.public_url)
    guards = Guards(identity, limits, Clients(identity, limits, cookies, site.dev), hosts)
    proxies = Proxies(settings.trusted_proxies)
    live_rooms = LiveRooms(rooms[Bundoc], rooms[Buncast], site.clock)
    fitting = live_settings.fitting(room_for_live(settings))
    live = LiveServer(fitting, identity, guards.clients, live_rooms, proxies)
    live_door = LiveDoor(live, proxies, cors(settings, site.dev).is_origin_allowed)
    routes = [route for module in modules for route in module.routes]
    dependencies = {
        **{module.name: rooms[module.provides] for module in modules},
        "site": site,
        "readiness": readiness,
        "live_door": live_door,
        "dispatcher": public_dispatcher(bunauth, limits, identity),
    }
    auditor = Auditor(rooms[Platform])
    dev_routes = (*DEV_ROUTES, get_dev_mail) if site.dev else ()
    flush_key_use = Job("gateway.key_use", identity.key_use.flush, FLUSH_SECONDS)
    async with identity.following(), auditor.refusals.counting(), running(flush_key_use), live.running():
        door = front_door(settings, [*routes, *dev_routes], dependencies, guards, auditor)
        door.serving["limits"] = limits_of(settings)
        door.s3_door = S3Door(identity, limits, proxies, auditor.entry, rooms[Platform])
        if settings.fast_lane:
            lane = fast_lane(settings, rooms, modules, guards, live_door, site.dev)
            door.serving["protocol"] = partial(FastLane, lane)
        yield door


def limits_of(settings: GatewaySettings) -> Limits:
    return Limits(
        connections=settings.max_connections,
        per_address=settings.max_connections_per_address,
        unlimited=Proxies(settings.trusted_proxies),
    )


def room_for_live(settings: GatewaySettings) -> int:
    """Return the number of live connections for which the process has file descriptors.

    A quarter of all descriptors is for files and for the connections to other rooms.
    """
    open_files = descriptors()
    return open_files * 3 // 4 - limits_of(settings).fitting(open_files).connections


def fast_lane(
    settings: GatewaySettings, rooms: Rooms, modules: Sequence[Module], guards: Guards, live_door: LiveDoor, dev: bool
) -> Lane:
    """Return a Lane with the hot routes of every room. Routes of a room in another process always run in a task."""
    hot = []
    for module in modules:
        service: Any = rooms[module.provides]
        by_hand = not isinstance(service, Remote)
        hot += [mounted(route, service, by_hand) for route in module.fast_routes]
    sharing = cors(settings, dev)
    welcome = sharing.is_origin_allowed if dev else None
    hot_routes = HotRoutes(hot, settings.max_body_bytes, welcome)
    return Lane(hot_routes, Openings(live_door), guards, Proxies(settings.trusted_proxies), Cors(sharing))
