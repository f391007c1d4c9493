"""Putting functions into service: bundle, compare with what the server has, upload what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from bunbase.cli.bundle import Bundled, bundle
from bunbase.cli.entries import Entry
from bunbase.cli.errors import Failure, Refused
from bunbase.cli.http import Call, at
from bunbase.cli.session import Session
from bunbase.contracts.functions import FunctionConfig, Version, Versions

UPLOAD_SECONDS: Final = 120.0  # the server loads a bundle once before it answers


class Outcome(StrEnum):
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    TO_DEPLOY = "to deploy"  # what a dry run would have done
    FAILED = "failed"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one function. `version`: the active one, where there is any; `problem`: why it failed."""

    name: str
    outcome: Outcome
    size: int
    sha256: str
    version: int | None = None
    problem: dict[str, Any] | None = None


class Made(msgspec.Struct, frozen=True):
    """A function, bundled."""

    entry: Entry
    bundle: Bundled

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.bundle.code).hexdigest()


def bundles(entries: Iterable[Entry]) -> list[Made]:
    """Bundle all of them. Raises: Failure with everything that is wrong, once all were tried."""
    made, failures = [], list[Failure]()
    for entry in entries:
        try:
            made.append(Made(entry, bundle(entry.path)))
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise Failure(failures[0].code, "\n".join(failure.detail for failure in failures))
    return made


def active_versions(session: Session, project: str) -> dict[str, Version]:
    """Give what the server runs now, by name."""
    return {one.name: one for one in session.ask_all(Versions, Call("GET", at("projects", project, "functions"))).items}


def put_into_service(
    session: Session, project: str, made: Made, active: Mapping[str, Version], force: bool = False
) -> Result:
    """Upload a function unless the active version is the same. What the server refuses is its result."""
    current = active.get(made.entry.name)
    if current is not None and same(made, current) and not force:
        return _result(made, Outcome.UNCHANGED, current.version)
    try:
        return _result(made, Outcome.DEPLOYED, upload(session, project, made).version)
    except Refused as refused:
        return _result(made, Outcome.FAILED, current.version if current else None, refused.document())


def rehearsed(made: Made, active: Mapping[str, Version], force: bool = False) -> Result:
    """Say what would be done."""
    current = active.get(made.entry.name)
    unchanged = current is not None and same(made, current) and not force
    outcome = Outcome.UNCHANGED if unchanged else Outcome.TO_DEPLOY
    return _result(made, outcome, current.version if current else None)


def same(made: Made, version: Version) -> bool:
    """Compare code and settings; a setting that bunbase.toml leaves out has its default."""
    config = msgspec.convert(made.entry.config, FunctionConfig)
    return (made.sha256, config) == (version.sha256, version.config)


def upload(session: Session, project: str, made: Made) -> Version:
    """Raises: Refused and all that a call raises."""
    name = made.entry.name
    files = {
        "bundle": (f"{name}.js", made.bundle.code, "application/javascript"),
        "config": (None, msgspec.json.encode(made.entry.config), "application/json"),
    }
    if made.bundle.source_map is not None:
        files["source_map"] = (f"{name}.js.map", made.bundle.source_map, "application/json")
    path = at("projects", project, "functions", name)
    return session.ask(Version, Call("PUT", path, files=files, seconds=UPLOAD_SECONDS))


def result_of_failure(name: str, active: Mapping[str, Version], failure: Failure) -> Result:
    """Say that nothing came of a function, and what stays in service."""
    current = active.get(name)
    return Result(name, Outcome.FAILED, 0, "", current.version if current else None, failure.document())


def _result(made: Made, outcome: Outcome, version: int | None, problem: dict[str, Any] | None = None) -> Result:
    return Result(made.entry.name, outcome, len(made.bundle.code), made.sha256, version, problem)
