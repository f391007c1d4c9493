"""schemathesis: requests that it makes from our OpenAPI document, with its own checks.

Each run has a credential and a time limit. The links of the document join requests to chains, and `ignored_auth`
sends requests without the credential that the security scheme demands. Operations that end the credential itself are
left out.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from bunbase.house.generate import openapi_document
from tests.outside.project import Project
from tests.outside.tally import Tally

SECONDS: Final = 100
SEED: Final = "7"
# operations that end the credential or the project, answer only after a long time, or allow one caller at a time
ENDING: Final = (
    r"auth/(logout|refresh|sessions)|/restore$|rotate|signing-keys|/keys|/logs$|/changes$|auth/me$|/live|backups"
)
PHASES: Final = "examples,coverage,fuzzing,stateful"


def run(project: Project, schemathesis: Path) -> list[Tally]:
    """Return the findings of each run by check. `schemathesis`: the command."""
    secret, publishable = (f"X-Bunbase-Key: {key}" for key in (project.secret, project.publishable))
    return [
        _fuzzed(project, schemathesis, "with the secret key", "^/v1", secret),
        _fuzzed(project, schemathesis, "with the publishable key", "^/v1", publishable),
        _fuzzed(
            project,
            schemathesis,
            "as a developer",
            r"^/(api|\.well-known|rpc)",
            f"Authorization: Bearer {project.token}",
        ),
    ]


def _fuzzed(project: Project, schemathesis: Path, name: str, paths: str, header: str) -> Tally:
    tally = Tally(f"schemathesis {name}")
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        (home / "openapi.json").write_text(openapi_document(), "utf-8")
        (home / "schemathesis.toml").write_text(f'[parameters]\n"path.project" = "{project.id}"\n', "utf-8")
        command: list[str | Path] = [
            *(schemathesis, "--config-file", home / "schemathesis.toml", "run", home / "openapi.json"),
            *("--url", project.instance.url, "--checks", "all", "--phases", PHASES, "-n", "15", "-H", header),
            *("--include-path-regex", paths, "--exclude-path-regex", ENDING, "--exclude-method", "DELETE"),
            *("--continue-on-failure", "--generation-database", "none", "--seed", SEED, "--no-color"),
            *("--suppress-health-check", "all", "--report", "ndjson", "--report-dir", home),
        ]
        try:
            done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, timeout=SECONDS)
            tally.skipped["the run ended by itself"] = 0
            text = done.stdout
        except subprocess.TimeoutExpired as ended:
            text = (ended.stdout or b"").decode()
            tally.skipped[f"stopped after {SECONDS} s"] = 1
        found: Counter[str] = Counter()
        for report in home.glob("*.ndjson"):
            for line in report.read_text("utf-8").splitlines():
                _read(line, tally, found)
    tally.failed = [f"{count} times {one}" for one, count in found.most_common()]
    if not tally.run:
        tally.failed.append(f"no request was sent: {text[-300:]}")
    return tally


def _read(line: str, tally: Tally, found: Counter[str]) -> None:
    """Count the checks in one event of the report."""
    try:
        event: Any = json.loads(line)
    except ValueError:
        return  # cut off by the time limit

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "checks" in value and isinstance(value["checks"], list | dict):
                for check in _checks(value["checks"]):
                    if str(check.get("status")) == "failure":
                        found[_described(check)] += 1
                    else:
                        tally.passed += 1
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    walk(event)


def _checks(value: Any) -> list[dict[str, Any]]:
    flat = value if isinstance(value, list) else [one for checks in value.values() for one in checks]
    return [one for one in flat if isinstance(one, dict)]


def _described(check: dict[str, Any]) -> str:
    failure = json.dumps(check.get("failure_info", check.get("failure", "")))
    return f"{check.get('name')}: {re.sub('[0-9]+', 'N', failure)[:200]}"
