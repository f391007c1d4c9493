"""Large objects need no more memory than small ones."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

PIECES = 200  # The object has 200 pieces of 512 KiB, so 100 MiB.


async def test_memory_does_not_grow_with_the_size_of_an_object(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.storage.whole.streaming", str(tmp_path), str(PIECES)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    said, _ = await process.communicate()

    assert process.returncode == 0
    assert int(said.split(b"\n")[-2]) < 20 << 20
