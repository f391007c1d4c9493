"""BunBase starts again at once after kill -9 of itself and of any process that it started.

BUNBASE_COMEBACKS is the number of restarts for each kind of kill (20 in `make soak`). Without that variable these tests
are skipped; tests/pkg/postgres/test_earlier.py and tests/pkg/test_file_lock.py test the mechanisms one by one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Final

import pytest

from tests.e2e.comebacks import CONTAINER, KINDS

ROUNDS: Final = int(os.environ.get("BUNBASE_COMEBACKS", "0"))
SECONDS_PER_ROUND: Final = 90

pytestmark = pytest.mark.skipif(not ROUNDS, reason="a long search: make soak")


@pytest.mark.parametrize("kind", KINDS)
def test_every_start_after_kill_9_becomes_ready(kind: str) -> None:
    """The server must become ready in twenty of twenty starts."""
    if KINDS[kind][0] == CONTAINER and (os.geteuid() != 0 or not shutil.which("unshare")):
        pytest.skip("only root makes containers")

    ran = subprocess.run(
        [sys.executable, "-m", "tests.e2e.comebacks", kind, str(ROUNDS)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60 + ROUNDS * SECONDS_PER_ROUND,
        check=False,
    )

    starts = [json.loads(line) for line in ran.stdout.splitlines()]
    slowest = max(start["seconds"] for start in starts)
    print(f"{kind}: {sum(not start['error'] for start in starts)} of {len(starts)}, slowest {slowest} s")
    assert [start for start in starts if start["error"]] == []
    assert (ran.returncode, len(starts)) == (0, ROUNDS)
