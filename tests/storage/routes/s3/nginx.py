"""nginx in front of a port, with the settings that `docs/s3.md` names."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.instance import poll

DOCS: Final = Path(__file__).parents[4] / "docs" / "s3.md"
NGINX: Final = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""
UPSTREAM: Final = "http://127.0.0.1:7073"
AROUND: Final = """{user}
daemon off;
pid nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{server}
}}
"""


def documented_server() -> str:
    """Return the block of the docs."""
    found = re.search(r"```nginx\n(server \{.*?\n\})\n```", DOCS.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def local_server(port: int, upstream: str) -> str:
    """Return the block of the docs for this machine: without TLS, and with other ports."""
    block = documented_server()
    for old, new in (("listen 443 ssl;", f"listen 127.0.0.1:{port};"), (UPSTREAM, upstream)):
        assert block.count(old) == 1
        block = block.replace(old, new)
    return re.sub(r"\n *ssl_certificate[^\n]*", "", block)


@contextmanager
def running_nginx(directory: Path, upstream: str) -> Iterator[str]:
    """Yield the URL of nginx in front of `upstream`."""
    if not NGINX:
        missing = "nginx is not installed here; on Debian: apt-get install nginx-light"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = "user root;" if os.geteuid() == 0 else ""  # otherwise the workers could not write below a folder of root
    (directory / "nginx.conf").write_text(AROUND.format(user=user, server=local_server(port, upstream)))
    command = [NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf")]
    with (directory / "errors").open("wb") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            poll(lambda: _answers(port) or process.poll() is not None, 20.0)
            assert process.poll() is None, (directory / "errors").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
