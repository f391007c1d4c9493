"""Applies the layers of the sandbox in the right order in a forked child, before exec. The child has one thread.

1. `files_of` makes Landlock's ruleset while the process can still open all paths.
2. `give_up_privileges` applies the layers that need root, and then gives up root.
3. `close_the_doors` activates Landlock and then seccomp, which forbids the system calls of all earlier steps.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from bunbase.functions.sandbox.bun_files import rules_of_process
from bunbase.functions.sandbox.limits import limit_resources
from bunbase.functions.sandbox.seccomp import confine_calls
from bunbase.pkg.sandbox import landlock
from bunbase.pkg.sandbox.namespaces import leave_the_hosts
from bunbase.pkg.sandbox.privileges import SETFCAP, become_nobody_else, drop_capabilities


@dataclass(frozen=True)
class Confinement:
    """The layers for one worker. `abi`: the version of Landlock. `own_user`, `namespaces`: true only if the server is
    root.

    `bubblewrap`: the path of bubblewrap's executable if bubblewrap is used instead of Landlock and namespaces.
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
    """Apply the layers that need root, and then give up root. The kernel then clears PDEATHSIG. Raises: OSError."""
    if wanted.namespaces:
        leave_the_hosts()
    limit_resources(wanted.memory_mb, wanted.own_user)
    if wanted.own_user:
        become_nobody_else(os.getpid())
    elif os.geteuid() == 0:
        drop_capabilities((SETFCAP,) if wanted.bubblewrap else ())  # bubblewrap needs SETFCAP and drops it later.


def files_of(wanted: Confinement, rules: list[landlock.Rule]) -> int:
    """Return the descriptor of Landlock's ruleset. Call this first, because the later user cannot open every path.

    Raises: OSError.
    """
    return landlock.ruleset([*rules, *rules_of_process(os.getpid())], wanted.abi)


def close_the_doors(ruleset: int) -> None:
    """Activate Landlock, and then seccomp. Afterwards, the process can only exec. Raises: OSError."""
    landlock.enter(ruleset)
    confine_calls(os.getpid())
