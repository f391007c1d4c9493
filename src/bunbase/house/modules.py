"""The list of all rooms. The order of this list does not matter: each room opens after the rooms it needs."""

from __future__ import annotations

from typing import Final

from bunbase.bunauth.module import MODULE as bunauth
from bunbase.buncast.module import MODULE as buncast
from bunbase.bundoc.module import MODULE as bundoc
from bunbase.bunkms.module import MODULE as bunkms
from bunbase.functions.module import MODULE as functions
from bunbase.platform.module import MODULE as platform
from bunbase.storage.module import MODULE as storage
from bunbase.tenant_auth.module import MODULE as tenant_auth

MODULES: Final = (bunkms, bunauth, tenant_auth, bundoc, buncast, storage, functions, platform)

GATEWAY: Final = "gateway"  # the gateway needs all rooms, and no room needs the gateway

ROOMS: Final = (*(module.name for module in MODULES), GATEWAY)
