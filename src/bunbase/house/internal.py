"""The internal port of a process, which serves calls between rooms, and health and metrics for operators."""

from __future__ import annotations

from typing import Any

import msgspec

from bunbase import __version__
from bunbase.house.build import House
from bunbase.house.callers import CALLERS
from bunbase.house.ready import OWN_READY
from bunbase.house.settings import HouseSettings
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.http1.limits import Limits
from bunbase.pkg.metrics import TEXT_TYPE, metrics_text
from bunbase.pkg.ready import Readiness
from bunbase.pkg.rpc.admission import Table
from bunbase.pkg.rpc.server import RpcApp, Told
from bunbase.pkg.rpc.tokens import Passport, ServiceTokens

JSON = "application/json"


def internal_limits(settings: HouseSettings) -> Limits:
    """Return the limits of the internal port. The port has few clients, and each client has many connections."""
    most = settings.internal_max_connections
    return Limits(connections=most, per_address=most // 2, descriptors_share=0.25)


def internal_app(house: House, tokens: ServiceTokens, readiness: Readiness, table: Table = CALLERS) -> RpcApp:
    """Return the app of the internal port. The app answers only the calls that `table` allows."""

    async def health() -> Told:
        return 200, JSON, msgspec.json.encode({"status": "ok", "version": __version__})

    async def ready() -> Told:
        return _told(*await readiness.report())

    async def own_ready(by: Passport | None) -> Told:
        """Return the checks of this process only.

        If another process sends a token, also check that its calls are accepted here.
        """
        if by is not None and by.audience not in house.here:
            raise Forbidden(f"{by.audience[:64]} does not run here: check its address in BUNBASE_HOUSE__PEERS.")
        return _told(*await readiness.own_report())

    async def metrics() -> Told:
        return 200, TEXT_TYPE, metrics_text()

    plain = {"/api/health": health, "/api/ready": ready, "/metrics": metrics}
    return RpcApp(house.dispatcher(table), tokens, plain, {OWN_READY: own_ready})


def _told(answer: dict[str, Any], good: bool) -> Told:
    return 200 if good else 503, JSON, msgspec.json.encode(answer)
