"""The functions of a watched folder. A function is deployed again when one of its source files is saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bunbase.cli.deploying import Result, bundle_function, planned, put_into_service, result_of_failure
from bunbase.cli.entries import Entry, entries, passed_over
from bunbase.cli.errors import Failure, NotSignedIn, Unreachable, Usage
from bunbase.cli.project_file import NAME, read_project_file
from bunbase.cli.session import Session
from bunbase.contracts.functions.deployments import Version


class WatchedFunctions:
    """The functions of this folder. `sources`: for each function, the files that its last bundle was built from."""

    def __init__(self, session: Session, project: str) -> None:
        self.session = session
        self.project = project
        self.sources: dict[str, set[Path]] = {}
        self.configs: dict[str, object] = {}
        self.broken: set[str] = set()
        self.told: set[Path] = set()

    def found(self) -> list[Entry]:
        """Return the functions of the folder. There may be none. Raises: Usage."""
        try:
            return entries(read_project_file())
        except Usage as usage:
            if usage.code == "no_functions" and not Path(NAME).exists():
                return []
            raise

    def touched(self, changed: set[Path]) -> list[Entry]:
        """Return the functions to build: new functions, changed functions, and functions that failed last time."""
        return [
            entry
            for entry in self.found()
            if entry.name not in self.sources
            or entry.name in self.broken
            or self.configs.get(entry.name) != entry.config
            or not self.sources[entry.name].isdisjoint(changed)
        ]

    def gone(self) -> list[str]:
        """Return the functions whose files were removed since the last call."""
        here = {entry.name for entry in self.found()}
        names = [name for name in self.sources if name not in here]
        for name in names:
            del self.sources[name]
        return names

    def newly_passed_over(self) -> list[Path]:
        """Return files that look like functions but are not functions. Each file is returned only once.

        Raises: Usage.
        """
        found = [path for path in passed_over(read_project_file()) if path not in self.told]
        self.told.update(found)
        return found

    def put(self, entry: Entry, active: Mapping[str, Version]) -> Result:
        """Build and deploy one function. A failure becomes the result of the function.

        Raises: Unreachable, NotSignedIn.
        """
        self.configs[entry.name] = entry.config
        self.sources.setdefault(entry.name, {Path(os.path.abspath(entry.path))})
        self.broken.add(entry.name)
        try:
            made = bundle_function(entry)
            self.sources[entry.name] = {Path(os.path.abspath(path)) for path in (*made.bundle.sources, entry.path)}
            result = put_into_service(self.session, self.project, planned(made, active))
        except (Unreachable, NotSignedIn):
            raise
        except Failure as failure:
            return result_of_failure(entry.name, active, failure)
        if result.problem is None:
            self.broken.discard(entry.name)
        return result
