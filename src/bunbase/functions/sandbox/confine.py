"""The order in which a forked child gives everything up. Runs in a process with one thread, between close and exec."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from bunbase.functions.sandbox import landlock
from bunbase.functions.sandbox.bun_files import rules_of_process
from bunbase.functions.sandbox.limits import limit_resources
from bunbase.functions.sandbox.namespaces import leave_the_hosts
from bunbase.functions.sandbox.privileges import SETFCAP, become_nobody_else, drop_capabilities
from bunbase.functions.sandbox.seccomp import confine_calls


@dataclass(frozen=True)
class Confinement:
    """What a worker is confined by. `abi`: Landlock's; `own_user` and `namespaces`: only root can have them.

    `bubblewrap`: its executable where it confines files, and gives namespaces, in Landlock's place.
    """

    memory_mb: int
    abi: int
    own_user: bool
    namespaces: bool
    bubblewrap: str = ""

    @classmethod
    def read(cls, told: dict[str, Any]) -> Confinement:
        return cls(told["memory_mb"], told["abi"], told["own_user"], told["namespaces"], told["bubblewrap"])


def give_up_privileges(wanted: Confinement) -> None:
    """First half: what needs root, and ends being it. The kernel forgets PDEATHSIG here. Raises: OSError."""
    if wanted.namespaces:
        leave_the_hosts()
    limit_resources(wanted.memory_mb, wanted.own_user)
    if wanted.own_user:
        become_nobody_else(os.getpid())
    elif os.geteuid() == 0:
        drop_capabilities((SETFCAP,) if wanted.bubblewrap else ())  # which bubblewrap drops


def files_of(wanted: Confinement, rules: list[landlock.Rule]) -> int:
    """Make Landlock's ruleset, before the first half: a user of its own may not see every path. Raises: OSError."""
    return landlock.ruleset([*rules, *rules_of_process(os.getpid())], wanted.abi)


def close_the_doors(ruleset: int) -> None:
    """Second half with Landlock: files, then system calls; nothing but exec comes after. Raises: OSError."""
    landlock.enter(ruleset)
    confine_calls(os.getpid())
