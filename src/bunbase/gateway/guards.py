"""The questions that both lanes ask before they call a room."""

from __future__ import annotations

from dataclasses import dataclass

from bunbase.gateway.identity import Identity
from bunbase.gateway.login_limits import LoginLimits
from bunbase.gateway.project_hosts import ProjectHosts


@dataclass(frozen=True)
class Guards:
    """`identity`: who calls; `limits`: whether they try too often; `hosts`: whose project a host belongs to."""

    identity: Identity
    limits: LoginLimits
    hosts: ProjectHosts
