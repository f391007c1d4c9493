"""The functions that collections call before writes: can they answer, and when does a collection begin to call them?

For an existing collection, BunBase begins to call the function only after the function is uploaded, so that no write
fails meanwhile. For a new collection, BunBase calls the function from the start: writes fail until the function is
uploaded, and no write skips the function.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from bunbase.cli.plans.changes import Change, ChangeClass, name_of
from bunbase.contracts.bundoc.collections import BeforeWrite, CollectionSpec
from bunbase.contracts.functions.hooks import EXPORTS, HookName, names_hook


class AskedFunctions(msgspec.Struct, frozen=True):
    """The functions that collections may call. `here`: the bundles of the folder. `coming`: the bundles to upload.

    `deployed`: the functions of the project.
    `known`: False if a command does not know the functions, such as `bunbase collections push`.
    """

    here: Mapping[str, bytes] = {}
    coming: Collection[str] = ()
    deployed: Collection[str] = ()
    known: bool = False

    def changes(self, name: str, spec: CollectionSpec) -> Iterator[Change]:
        """Yield a blocked change if a collection would call a function that certainly cannot answer."""
        if not self.known or not isinstance(spec.before_write, BeforeWrite):
            return
        function = spec.before_write.function
        if function in self.here:
            if names_hook(self.here[function], HookName.BEFORE_WRITE):
                return
            why = f"{function} has no hooks.{EXPORTS[HookName.BEFORE_WRITE]}"
        elif function not in self.deployed:
            why = f"the function {function} is neither in this folder nor in the project"
        else:
            return
        change = f"every write would be refused, because {why}"
        yield Change(name_of(name, "before_write"), ChangeClass.LOSING, change, blocked=True)

    def put_off(self, sent: CollectionSpec) -> bool:
        """True if an existing collection should call its function only after the function is uploaded."""
        return isinstance(sent.before_write, BeforeWrite) and sent.before_write.function in self.coming


UNKNOWN = AskedFunctions()
