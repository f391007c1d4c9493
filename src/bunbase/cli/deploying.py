"""Deploy functions: bundle them, compare them with the server's versions, and upload the changed functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from bunbase.cli.bundle import Bundled, bundle
from bunbase.cli.deployed_hooks import answers_requests, missing_hooks
from bunbase.cli.entries import Entry
from bunbase.cli.errors import Failure, Refused
from bunbase.cli.http import Call, at
from bunbase.cli.session import Session
from bunbase.contracts.functions.deployments import FunctionConfig, Version, Versions
from bunbase.contracts.functions.hooks import HookName

# the time limit of an upload; it is long, because the server loads the bundle before it answers
UPLOAD_SECONDS: Final = 120.0


class Outcome(StrEnum):
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    TO_DEPLOY = "to deploy"  # a dry run would deploy the function
    FAILED = "failed"


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result for one function. `version`: the active version, if any; `problem`: why the deployment failed.

    `missing_hooks`: hooks for which the project names the function, and which the new version does not have.
    `invocable`: false if the function has no handler, or if only a schedule or changes of documents run it.
    """

    name: str
    outcome: Outcome
    size: int
    sha256: str
    version: int | None = None
    problem: dict[str, Any] | None = None
    missing_hooks: tuple[HookName, ...] = ()
    invocable: bool = True


class BundledFunction(msgspec.Struct, frozen=True):
    """A function and its bundle. `sha256`: the hash of the code."""

    entry: Entry
    bundle: Bundled
    sha256: str


class PlannedFunction(msgspec.Struct, frozen=True):
    """A function, and the result that `put_into_service` would return for it if the server accepts it."""

    made: BundledFunction
    result: Result

    @property
    def unchanged(self) -> bool:
        return self.result.outcome is Outcome.UNCHANGED


def bundle_function(entry: Entry) -> BundledFunction:
    """Bundle one function. Raises: Failure with the errors of Bun."""
    made = bundle(entry.path)
    return BundledFunction(entry, made, hashlib.sha256(made.code).hexdigest())


def bundle_all(entries: Iterable[Entry]) -> list[BundledFunction]:
    """Return the bundles of all functions. Raises: Failure with the errors of all functions that Bun cannot bundle."""
    made, failures = [], list[Failure]()
    for entry in entries:
        try:
            made.append(bundle_function(entry))
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise Failure(failures[0].code, "\n".join(failure.detail for failure in failures))
    return made


def active_versions(session: Session, project: str) -> dict[str, Version]:
    """Return the versions that the server runs now, by function name."""
    return {one.name: one for one in session.ask_all(Versions, Call("GET", at("projects", project, "functions"))).items}


def planned(made: BundledFunction, active: Mapping[str, Version], force: bool = False) -> PlannedFunction:
    """Compare a function with its active version. `force`: upload the function even if both are the same."""
    current = active.get(made.entry.name)
    unchanged = current is not None and same(made, current) and not force
    outcome = Outcome.UNCHANGED if unchanged else Outcome.TO_DEPLOY
    result = Result(made.entry.name, outcome, len(made.bundle.code), made.sha256, current.version if current else None)
    return PlannedFunction(made, result)


def put_into_service(session: Session, project: str, function: PlannedFunction) -> Result:
    """Upload a function unless its active version is the same.

    If the server refuses the function, return the refusal.
    """
    made, result = function.made, function.result
    if function.unchanged:
        return result
    try:
        version = upload(session, project, made).version
    except Refused as refused:
        return msgspec.structs.replace(result, outcome=Outcome.FAILED, problem=refused.document())
    name, code = made.entry.name, made.bundle.code
    config = msgspec.convert(made.entry.config, FunctionConfig)
    invocable = answers_requests(code) and config.schedule is None and not config.on
    missing = missing_hooks(session, project, name, code)
    return msgspec.structs.replace(
        result, outcome=Outcome.DEPLOYED, version=version, missing_hooks=missing, invocable=invocable
    )


def same(made: BundledFunction, version: Version) -> bool:
    """True if code and settings are the same. A setting that bunbase.toml leaves out has its default value."""
    config = msgspec.convert(made.entry.config, FunctionConfig)
    return (made.sha256, config) == (version.sha256, version.config)


def upload(session: Session, project: str, made: BundledFunction) -> Version:
    """Upload a bundle with its source map and settings. Raises: Refused, and every error of a call."""
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
    """Return the result of a function that could not be deployed. `version`: the version that stays in service."""
    current = active.get(name)
    return Result(name, Outcome.FAILED, 0, "", current.version if current else None, failure.document())
