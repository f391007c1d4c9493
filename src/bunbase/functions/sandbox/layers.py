"""Which layers this machine gives, and whether they are enough to run anybody's code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

import bunbase
from bunbase.functions.sandbox.confine import Confinement

REQUIRED: Final = ("landlock", "seccomp", "rlimits")
FOR_ROOT: Final = ("user", "namespaces")
WHERE_DELEGATED: Final = ("cgroups",)
PROBE: Final = "import sys; sys.path.append(sys.argv.pop(1)); from bunbase.functions.sandbox.probe import main; main()"
PROBE_SECONDS: Final = 120.0  # it takes a tenth of one; but what it says holds until the server ends
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH",)
ADVICE: Final = {
    "landlock": "use Linux 5.13 or newer with landlock in the kernel's list of security modules (lsm=landlock,…)",
    "seccomp": "use a kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64, in a container whose profile allows it",
    "rlimits": "run BunBase where setrlimit works as on Linux",
    "user": "run the server as root, in a place that other users may read: then no two workers share a user",
    "namespaces": "run the server as root with CAP_SYS_ADMIN",
    "cgroups": "run the server as a systemd unit with Delegate=yes, on a machine with cgroup v2",
}


class Layers(msgspec.Struct, frozen=True):
    """`layers`: per layer why it does not hold here, "" where it does. `abi`: Landlock's version."""

    abi: int
    layers: dict[str, str]

    @property
    def active(self) -> tuple[str, ...]:
        return tuple(name for name, reason in self.layers.items() if not reason)

    @property
    def refusal(self) -> str:
        """Say why functions cannot be confined here; "" if they can."""
        said = {name: self.layers.get(name, "it was not tried") for name in REQUIRED}
        missing = [f"{name}: {reason}; {ADVICE[name]}" for name, reason in said.items() if reason]
        return " · ".join(missing)

    def confinement(self, memory_mb: int) -> Confinement:
        return Confinement(memory_mb, self.abi, "user" in self.active, "namespaces" in self.active)


def layers_here(runtime: Path) -> Layers:
    """Try every layer in a process of its own; blocks for a tenth of a second. `runtime`: what workers must read."""
    packages = Path(bunbase.__file__).parent.parent
    try:
        done = subprocess.run(  # noqa: S603 - every argument is our own
            [sys.executable, "-I", "-S", "-c", PROBE, str(packages), str(runtime)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            timeout=PROBE_SECONDS,
            check=True,
        )
        return msgspec.json.decode(done.stdout, type=Layers)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        return Layers(
            0, dict.fromkeys((*REQUIRED, *FOR_ROOT, *WHERE_DELEGATED), f"the probe failed: {type(error).__name__}")
        )
