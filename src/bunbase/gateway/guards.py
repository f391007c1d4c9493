"""The objects that both lanes use to check a request before they call a room."""

from __future__ import annotations

from dataclasses import dataclass

from bunbase.gateway.clients import Clients
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.project_hosts import ProjectHosts


@dataclass(frozen=True)
class Guards:
    """`identity` checks keys and tokens. `limits` counts failed attempts and sign-ups. `clients` makes the Caller of a
    request with a project key. `hosts` finds the project that a host belongs to.
    """

    identity: Identity
    limits: LoginLimits
    clients: Clients
    hosts: ProjectHosts
