"""Finds out which layers of the sandbox work on this machine, and whether they suffice to run untrusted code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

import bunbase
from bunbase.functions.sandbox.confine import Confinement
from bunbase.pkg.bun import BunMissing, find_bun

FILES: Final = ("landlock", "bubblewrap")  # One of these layers is required. The first that works is used.
REQUIRED: Final = ("seccomp", "rlimits")
FOR_ROOT: Final = ("user", "namespaces")
WHERE_DELEGATED: Final = ("cgroups",)
PROBE: Final = "import sys; sys.path.append(sys.argv.pop(1)); from bunbase.functions.sandbox.probe import main; main()"
# The probe usually takes 0.1 s. The result of the probe is valid until the server ends, so the probe may take much
# longer.
PROBE_SECONDS: Final = 120.0
BWRAP_VARIABLE: Final = "BUNBASE_BWRAP"
KEPT_VARIABLES: Final = ("LD_LIBRARY_PATH",)
ADVICE: Final = {
    "landlock": "use Linux 5.13 or newer with landlock in the kernel's list of security modules (lsm=landlock,…)",
    "bubblewrap": "install bubblewrap (bwrap on PATH, or its path in BUNBASE_BWRAP), allow all users to create user "
    "namespaces, and install Bun and BunBase where other users may read them",
    "seccomp": "use a kernel with CONFIG_SECCOMP_FILTER on x86_64 or aarch64, in a container whose profile allows it",
    "rlimits": "run BunBase where setrlimit works as on Linux",
    "user": "run the server as root, installed where other users may read it; then each worker has its own user",
    "namespaces": "run the server as root with CAP_SYS_ADMIN",
    "cgroups": "run the server as a systemd unit with Delegate=yes, on a machine with cgroup v2",
}


class ConfineWith(StrEnum):
    """The layer that confines files."""

    AUTO = "auto"  # Landlock confines files, or bubblewrap if Landlock is missing.
    LANDLOCK = "landlock"
    BUBBLEWRAP = "bubblewrap"


class Layers(msgspec.Struct, frozen=True):
    """The result of the probe.

    `layers`: for each layer that was tried, the reason why it fails here, or "" if it works.

    `abi`: the version of Landlock. `bubblewrap`: the path of its executable.
    """

    abi: int
    layers: dict[str, str]
    bubblewrap: str = ""

    @property
    def files(self) -> str:
        """The name of the layer that confines files on this machine, or "" if no layer works."""
        return next((name for name in FILES if self._holds(name)), "")

    @property
    def active(self) -> tuple[str, ...]:
        return tuple(name for name in self.layers if self._holds(name) and (name not in FILES or name == self.files))

    @property
    def refusal(self) -> str:
        """The reason why functions cannot be confined on this machine, or "" if they can."""
        wanted = (*(name for name in FILES if name in self.layers and not self.files), *REQUIRED)
        said = {name: self.layers.get(name, "it was not tried") for name in wanted}
        missing = [f"{name}: {reason}; {ADVICE[name]}" for name, reason in said.items() if reason]
        return " · ".join(missing) or ("" if self.files else "no layer that confines files was tried")

    def confinement(self, memory_mb: int) -> Confinement:
        inside = self.bubblewrap if self.files == "bubblewrap" else ""  # bubblewrap also makes the namespaces.
        namespaces = "namespaces" in self.active and not inside
        return Confinement(memory_mb, self.abi, "user" in self.active, namespaces, inside)

    def _holds(self, name: str) -> bool:
        return self.layers.get(name) == ""


def layers_here(runtime: Path, wanted: ConfineWith = ConfineWith.AUTO, fallback_too: bool = False) -> Layers:
    """Try every layer in another process. This blocks for about 0.1 s. `runtime`: the folder that workers must read.

    `fallback_too`: also try bubblewrap if Landlock works.
    """
    packages = Path(bunbase.__file__).parent.parent
    bubblewrap = find_bubblewrap(os.environ)
    mode = "all" if fallback_too and wanted is ConfineWith.AUTO else wanted
    try:
        done = subprocess.run(  # noqa: S603 - every argument is our own
            [sys.executable, "-I", "-S", "-c", PROBE, str(packages), mode, str(runtime), _bun(), bubblewrap],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ},
            timeout=PROBE_SECONDS,
            check=True,
        )
        return msgspec.structs.replace(msgspec.json.decode(done.stdout, type=Layers), bubblewrap=bubblewrap)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError) as error:
        names = (*FILES, *REQUIRED, *FOR_ROOT, *WHERE_DELEGATED)
        return Layers(0, dict.fromkeys(names, f"the probe failed: {type(error).__name__}"))


def find_bubblewrap(environment: Mapping[str, str]) -> str:
    """Return the path in BUNBASE_BWRAP, or else of bwrap on PATH, or else ""."""
    named = environment.get(BWRAP_VARIABLE) or shutil.which("bwrap", path=environment.get("PATH", ""))
    return os.path.realpath(named) if named else ""


def _bun() -> str:
    try:
        return str(find_bun())
    except BunMissing:
        return ""
