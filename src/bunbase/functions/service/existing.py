"""Looks up a function that must exist."""

from __future__ import annotations

from bunbase.contracts.functions.deployments import Version
from bunbase.contracts.functions.problems import FunctionNotFound
from bunbase.functions.store.functions import FunctionStore
from bunbase.functions.versions.names import could_be_function


async def existing_version(store: FunctionStore, project: str, name: str) -> Version:
    """Return a function's active version, read from the database. Raises: FunctionNotFound."""
    found = await store.active_version(project, name) if could_be_function(name) else None
    if found is None:
        raise FunctionNotFound(f"The project has no function {name}.")
    return found
