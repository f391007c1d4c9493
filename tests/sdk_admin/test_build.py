"""The packages build as `npm pack` builds them: bunbase-admin sees only the published types of bunbase-js."""

from __future__ import annotations

import subprocess

from tests.sdk_admin.sites import ADMIN
from tests.sdk_js.sites import ROOT, SDK


def test_both_packages_build_from_the_published_types() -> None:
    command = ["npm", "run", "--silent", "build", "--workspace", "sdk/js", "--workspace", "sdk/admin"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    assert built.returncode == 0, built.stdout + built.stderr
    assert (SDK / "dist/internal.d.ts").is_file()
    assert "class Bucket" in (ADMIN / "dist/files.d.ts").read_text()
