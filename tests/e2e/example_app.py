"""An app of `examples`: a person follows the commands of its README on a running `bunbase dev`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.e2e.instance import STOP_SECONDS, Instance, free_port

REPOSITORY: Final = Path(__file__).parents[2]
BLOCKS: Final = re.compile(r"^```sh (server|page)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALLED_ALREADY: Final = 'npm() { [ "$1" = ci ] || command npm "$@"; }'  # These tests have node_modules already.
SHELL: Final = ("bash", "-euo", "pipefail", "-c")


def cloned(server: Instance, name: str) -> Path:
    """Return a folder like the repository. The folder has a copy of the example, because the commands write into it."""
    clone = server.home / "clone"
    left_out = shutil.ignore_patterns("build", "dist", ".env", "node_modules")
    shutil.copytree(REPOSITORY / "examples" / name, clone / "examples" / name, ignore=left_out)
    for folder in (".venv", "node_modules", "sdk"):
        (clone / folder).symlink_to(REPOSITORY / folder)
    return clone


@contextmanager
def served(server: Instance, clone: Path, name: str) -> Iterator[str]:
    """Run the commands of the README. Yield the address of the page."""
    readme = (REPOSITORY / "examples" / name / "README.md").read_text("utf-8")
    blocks = dict(BLOCKS.findall(readme))
    commands = [*blocks["server"].splitlines(), *blocks["page"].splitlines()]
    assert len(commands) == 5
    # The server runs already, and `npm start` continues to run.
    assert (commands[0], commands[-1]) == ("make run", "npm start")
    port = free_port()
    environment = server.environment() | {"PORT": str(port), "NO_UPDATE_NOTIFIER": "1", "NO_COLOR": "1"}
    script = "\n".join([INSTALLED_ALREADY, *commands[1:-1]])

    done = subprocess.run(
        [*SHELL, script],
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    with subprocess.Popen(
        [*SHELL, commands[-1]],
        cwd=clone / "examples" / name,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as page:
        try:
            assert page.stdout is not None
            assert any(f"http://127.0.0.1:{port}" in line for line in page.stdout), "npm start ended"
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(page.pid, signal.SIGTERM)
            page.wait(STOP_SECONDS)
