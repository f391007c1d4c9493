"""Networks that fail without an error: a cut cable, and a proxy that holds streams back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundoc.live.searches import SECONDS
from tests.e2e.instance import Instance, poll
from tests.e2e.live.running import Open, metric, running
from tests.sdk_js.fault_proxy import FaultProxy, serving
from tests.sdk_js.sites import BUN, ROOT, bundles, removed, short_folder

pytestmark = pytest.mark.skipif(not SECONDS, reason="takes minutes: make live")
NOTICED_SECONDS = 55  # This is 45 s of silence, and the time until the next check or the next attempt to connect.


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = bundles(short_folder())
    yield folder
    removed(folder)


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("iptables"), reason="needs root, and iptables")
@pytest.mark.parametrize("transport", ["socket", "sse"])
def test_complaint_12_both_sides_notice_a_cable_that_is_cut(folder: Path, transport: str) -> None:
    command = ["unshare", "-n", sys.executable, "-m", "tests.e2e.live.half_open", str(folder), transport]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)

    assert done.returncode == 0, done.stderr
    noticed = json.loads(done.stdout.splitlines()[-1])
    sys.stderr.write(f"{transport}: {noticed}\n")
    assert noticed["client"] <= NOTICED_SECONDS
    assert noticed["server"] <= NOTICED_SECONDS


def test_complaint_24_behind_a_proxy_that_holds_streams_back_the_client_polls(
    running_dev: Instance, folder: Path
) -> None:
    """The proxy sends an answer only when the answer is complete, and does not support WebSocket."""
    site = Open(running_dev)
    site.put("data", "posts", "a", topic="held", n=1)

    with (
        serving(FaultProxy(running_dev.url)) as proxy,
        running(BUN, "bunbase.mjs", folder, proxy.url, site.publishable, "held") as said,
    ):
        poll(lambda: "holds a" in said, 40, f"{said}")
        site.put("data", "posts", "b", topic="held", n=2)
        poll(lambda: "holds a,b" in said, 40, f"{said}")
        assert metric(running_dev, "bunbase_live_connections", transport="poll") == 1
        assert metric(running_dev, "bunbase_live_connections", transport="websocket") == 0
