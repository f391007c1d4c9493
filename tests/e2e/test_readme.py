"""Run the shell commands of the tour in README.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.e2e.instance import Instance

REPOSITORY = Path(__file__).parents[2]
TOUR = re.compile(r"^```sh tour\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_command_of_the_readme_works(dev: Instance) -> None:
    blocks = TOUR.findall((REPOSITORY / "README.md").read_text("utf-8"))
    dev.start()

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
        cwd=REPOSITORY,
        env=dev.environment() | {"TMPDIR": str(dev.home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert len(blocks) == 2
    assert done.returncode == 0, done.stdout + done.stderr
    for seen in ("Hello, Ada!", "greeting Ada", "Ahoy, world!", '"title":"Hello"', '"likes":1', "eve@example.com"):
        assert seen in done.stdout, seen
