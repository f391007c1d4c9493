"""Cut the cable of a live connection: `unshare -n python -m tests.e2e.live.half_open <folder> <transport>`.

The program starts a server and a client in its own network namespace, and then drops each packet of the client's
connection. The program prints how many seconds each side took to notice. `folder`: the bundles of bunbase-js.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.e2e.conftest import dev_instance
from tests.e2e.instance import poll
from tests.e2e.live.running import Open, following, metric
from tests.sdk_js.sites import BUN

LATEST_SECONDS: Final = 90.0
LABELS: Final = {"socket": "websocket", "sse": "sse"}


def ports_of(pid: int) -> list[int]:
    """Return the local ports of the TCP connections that a process has open (IPv4)."""
    found = []
    sockets = {os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "01" and f"socket:[{fields[9]}]" in sockets:
            found.append(int(fields[1].rpartition(":")[2], 16))
    return found


def main() -> None:
    folder, transport = sys.argv[1:]
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with dev_instance() as instance:
        site = Open(instance.start())
        site.put("data", "posts", "a", topic="cable", n=1)
        command = (BUN, "bunbase.mjs", folder, instance.url, site.publishable, "cable", transport)
        with following(*command) as (pid, said):
            poll(lambda: "holds a" in said and said[-1].startswith(("holds", "state live")), 30, f"{said}")

            def open_now() -> float:
                return metric(instance, "bunbase_live_connections", transport=LABELS[transport])

            assert open_now() == 1
            ports = ports_of(pid)
            assert ports
            for port in ports:
                for end in ("--sport", "--dport"):
                    drop = ["iptables", "-A", "INPUT", "-i", "lo", "-p", "tcp", end, str(port), "-j", "DROP"]
                    subprocess.run(drop, check=True)
            began = time.monotonic()
            site.put("data", "posts", "b", topic="cable", n=2)
            poll(lambda: "holds a,b" in said, LATEST_SECONDS, f"{said}")
            client = time.monotonic() - began
            poll(lambda: open_now() == 1, LATEST_SECONDS, "the server keeps the dead connection")
            server = time.monotonic() - began
            print(json.dumps({"client": round(client, 1), "server": round(server, 1), "said": said}))


if __name__ == "__main__":
    main()
