"""The runs of `make outside` for the S3 port: ceph/s3-tests, and journeys of clients."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.outside.project import Project
from tests.outside.s3 import ceph, commands, libraries
from tests.outside.s3.target import bunbase, versitygw
from tests.outside.tally import Tally

INSTALL_SECONDS: Final = 600.0
PACKAGES: Final = (
    "@aws-sdk/client-s3@3.1175.0",
    "@aws-sdk/lib-storage@3.1175.0",
    "@aws-sdk/s3-request-presigner@3.1169.0",
)


def run_ceph(suites: Path, project: Project, python: Path) -> Iterator[Tally]:
    """Yield the results of ceph/s3-tests on BunBase, and on versitygw if it is in the folder of the suites."""
    yield ceph.run(suites, bunbase(project), python)
    if (suites / "versitygw").is_file():
        with versitygw(suites / "versitygw") as peer:
            found = ceph.run(suites, peer, python)
        # the failures of another server are no failures of this run
        yield Tally(found.suite, found.passed, known=found.known, skipped=found.skipped + _peer_failures(found))


def run_clients(suites: Path, project: Project, binaries: Path) -> Iterator[Tally]:
    """Yield the results of each client. `binaries`: the folder of aws, rclone and s3cmd."""
    target = bunbase(project)
    yield libraries.boto(target)
    yield libraries.obstore_journey(target)
    yield libraries.javascript(target, _packages(suites / "node"))
    yield commands.aws_cli(target, binaries)
    yield commands.rclone(target, binaries)
    yield commands.s3cmd(target, binaries)


def _packages(folder: Path) -> Path:
    """Return the folder of the SDK for JavaScript, after installing it unless it is there."""
    done = folder / ".done"
    if not done.is_file() or done.read_text("utf-8") != "\n".join(PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}", "utf-8")
        command = ("npm", "install", "--silent", "--no-audit", "--no-fund", *PACKAGES)
        subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS)
        done.write_text("\n".join(PACKAGES), "utf-8")
    return folder


def _peer_failures(found: Tally) -> Counter[str]:
    return Counter({"fails on this server": len(found.failed)}) if found.failed else Counter()
