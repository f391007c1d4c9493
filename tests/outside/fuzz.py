"""schemathesis makes requests from our OpenAPI document, and checks the answers with its own checks.

Each run has a credential and a time limit. `ignored_auth` sends requests without the credential that the security
scheme demands. The runs of single requests leave out operations that delete, because a deletion would take the data
away from the other requests. The runs of chains follow the links of the document from an answer to the next request,
and include deletions: `use_after_free` reads what a chain has deleted.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bunbase.house.generate import openapi_document
from tests.outside.fuzz_known import KNOWN
from tests.outside.fuzz_report import Report
from tests.outside.project import Project
from tests.outside.tally import Tally

SECONDS: Final = 240
SEED: Final = "7"
SINGLE: Final = ("--phases", "examples,coverage,fuzzing", "-n", "15", "--exclude-method", "DELETE")
# Chains need requests that succeed, so there are no invented credentials, and no data that the schema forbids.
CHAINS: Final = (
    *("--phases", "stateful", "-n", "150", "--mode", "positive"),
    *("--generation-with-security-parameters", "false"),
)
LINKS: Final = re.compile(r"API Links: +(.*)")
API: Final = r"^/(api|\.well-known|rpc)"
V1: Final = "^/v1"
# These operations make, read, change and delete something.
API_CHAINS: Final = "^/api/(projects|orgs|invites|auth/tokens)"
V1_CHAINS: Final = r"^/v1/(data/\{collection\}(/\{id\})?$|auth/users(/\{user_id\}.*)?$|auth/invites)"

# These operations end the credential, answer only after a long time, or allow one caller at a time.
ENDING: Final = r"auth/(logout|refresh|sessions)|/restore$|signing-keys|/logs$|/changes$|auth/me$|/live"
ENDING_SINGLE: Final = ENDING + r"|rotate|/keys|backups"  # These operations also end the project's keys or change data.

CONFIG: Final = """
[checks.negative_data_rejection]
expected-statuses = ["4xx"]
"""
FIXED_PROJECT: Final = """
[parameters]
"path.project" = "{project}"
"""


class Run(msgspec.Struct, frozen=True):
    """One run. `header`: the credential. `paths`: a pattern of the paths that the credential is for."""

    name: str
    header: str
    paths: str
    chains: bool = False


def run(project: Project, schemathesis: Path) -> Iterator[Tally]:
    """Yield the findings of each run by check. `schemathesis`: the command."""
    secret, publishable = (f"X-Bunbase-Key: {key}" for key in (project.secret, project.publishable))
    developer = f"Authorization: Bearer {project.token}"
    for one in (
        Run("with the secret key", secret, V1),
        Run("with the publishable key", publishable, V1),
        Run("as a developer", developer, API),
        Run("with the secret key, in chains", secret, V1_CHAINS, chains=True),
        Run("as a developer, in chains", developer, API_CHAINS, chains=True),
    ):
        yield _fuzzed(project, schemathesis, one)


def _fuzzed(project: Project, schemathesis: Path, one: Run) -> Tally:
    tally, report = Tally(f"schemathesis {one.name}"), Report(KNOWN)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        (home / "openapi.json").write_text(openapi_document(), "utf-8")
        config = CONFIG if one.chains else CONFIG + FIXED_PROJECT.format(project=project.id)
        (home / "schemathesis.toml").write_text(config, "utf-8")
        ending = ENDING if one.chains else ENDING_SINGLE
        command: list[str | Path] = [
            *(schemathesis, "--config-file", home / "schemathesis.toml", "run", home / "openapi.json"),
            *("--url", project.instance.url, "--checks", "all", "-H", one.header, *(CHAINS if one.chains else SINGLE)),
            *("--include-path-regex", one.paths, "--exclude-path-regex", ending),
            *("--continue-on-failure", "--generation-database", "none", "--seed", SEED, "--no-color"),
            *("--suppress-health-check", "all", "--report", "ndjson", "--report-dir", home),
        ]
        try:
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=SECONDS)
            text = done.stdout
        except subprocess.TimeoutExpired as ended:
            text = (ended.stdout or b"").decode()
            tally.skipped[f"the run was stopped after {SECONDS} s"] = 1
        for file in home.glob("*.ndjson"):
            with file.open(encoding="utf-8") as lines:
                report.read(lines, tally)
    if not tally.run:
        tally.failed.append(f"no request was sent: {text[-300:]}")
    links = LINKS.search(text)
    tally.suite += f" ({report.requests} requests" + (f", links: {links[1]})" if one.chains and links else ")")
    return tally
