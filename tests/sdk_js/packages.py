"""The package bunbase-js as npm packs it, unpacked into the folder of an app."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.sdk_js.sites import SDK


def packed_client(folder: Path) -> Path:
    """Build and pack the package, and return the archive."""
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", folder], check=True, cwd=SDK, timeout=120)
    return next(folder.glob("*.tgz"))


def unpacked_client(archive: Path, app: Path) -> Path:
    """Unpack the package below `node_modules` of the app, and return its folder."""
    package = app / "node_modules/bunbase-js"
    package.mkdir(parents=True)
    subprocess.run(["tar", "xzf", archive, "-C", package, "--strip-components=1"], check=True)
    return package
