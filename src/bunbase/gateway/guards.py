"""The questions that both lanes ask before they call a room."""

from __future__ import annotations

from dataclasses import dataclass

from bunbase.gateway.clients import Clients
from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.project_hosts import ProjectHosts


@dataclass(frozen=True)
class Guards:
    """`identity`: checks keys and tokens. `limits`: how often strangers may try. `clients`: makes Callers from both.
    `hosts`: finds the project that a host belongs to.
    """

    identity: Identity
    limits: LoginLimits
    clients: Clients
    hosts: ProjectHosts
