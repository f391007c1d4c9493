"""Versions: deploying, listing, rolling back, deleting."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Final

import msgspec

from bunbase.contracts.caller import Caller, Role
from bunbase.contracts.functions import Bundle, InvalidBundle, Version, VersionNotFound, Versions
from bunbase.functions.egress.allowed import check_allow_net
from bunbase.functions.names import check_function_name
from bunbase.functions.service.parts import Parts
from bunbase.functions.source_map import BadSourceMap, decode_source_map, read_source_map
from bunbase.functions.stack_traces import translate
from bunbase.functions.store.functions import Loaded, NewVersion
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.start import LoadFailed
from bunbase.pkg.cursors import decode_cursor, encode_cursor
from bunbase.pkg.errors import InvalidInput, TooLarge

MAX_BUNDLE_BYTES: Final = 20 << 20
MAX_SOURCE_MAP_BYTES: Final = 10 << 20
NEWEST: Final = 2**31 - 1  # what PostgreSQL's int holds
Number = Annotated[int, msgspec.Meta(ge=0, le=NEWEST)]


class Deploying(Parts):
    async def deploy(self, caller: Caller, name: str, bundle: Bundle) -> Version:
        caller.need(Role.DEVELOPER)
        check_function_name(name)
        _check(bundle)
        if bundle.source_map is not None:
            await asyncio.to_thread(_check_source_map, bundle.source_map)
        sha256 = hashlib.sha256(bundle.code).hexdigest()
        await self._try_load(Deployment(caller.project, name, 0, sha256, bundle.config, 0), bundle)
        bytecode = await self.starter.compile(caller.project, bundle.code)
        by = caller.signed_in().id
        new = NewVersion(bundle.code, bundle.source_map, bundle.config, sha256, self.clock.now(), by, bytecode)
        limit = self.settings.max_functions_per_project
        version = await self.stores.functions.add_version(caller.project, name, new, limit, self.settings.kept_versions)
        if version is None:
            raise InvalidInput(f"The project has {limit} functions, the most it can have; delete one first.")
        self.loadable.forget(caller.project, name)  # versions that this one pushed out start no worker any more
        self.loadable.keep((caller.project, name, version.version, sha256), Loaded(bundle.code, bytecode))
        await self.changed(caller.project, name)
        return version

    async def functions(self, caller: Caller, limit: int, cursor: str | None) -> Versions:
        caller.need(Role.VIEWER)
        query = f"functions:{caller.project}"
        after = decode_cursor(query, cursor, str) if cursor else ""
        found = await self.stores.functions.active_versions(caller.project, limit + 1, after)
        more = len(found) > limit
        return Versions(tuple(found[:limit]), encode_cursor(query, found[limit - 1].name) if more else None)

    async def function(self, caller: Caller, name: str) -> Version:
        caller.need(Role.VIEWER)
        return await self.existing(caller.project, name)

    async def delete_function(self, caller: Caller, name: str) -> None:
        caller.need(Role.DEVELOPER)
        await self.existing(caller.project, name)
        await self.stores.functions.delete(caller.project, name)
        self.loadable.forget(caller.project, name)
        await self.changed(caller.project, name)
        self.stack_traces.forget(caller.project, name)
        await self.stores.logs.delete_function(caller.project, name)
        await self.stores.hours.delete_function(caller.project, name)

    async def versions(self, caller: Caller, name: str, limit: int, cursor: str | None) -> Versions:
        await self.function(caller, name)
        query = f"versions:{caller.project}:{name}"
        before = decode_cursor(query, cursor, Number) if cursor else NEWEST
        found = await self.stores.functions.versions(caller.project, name, limit + 1, before)
        more = len(found) > limit
        return Versions(tuple(found[:limit]), encode_cursor(query, found[limit - 1].version) if more else None)

    async def bundle(self, caller: Caller, name: str, version: int) -> Bundle:
        caller.need(Role.DEVELOPER)
        await self.existing(caller.project, name)
        found = await self.stores.functions.whole(caller.project, name, version) if 0 < version <= NEWEST else None
        if found is None:
            raise VersionNotFound(f"{name} has no version {version}; see its list of versions.")
        return found

    async def rollback(self, caller: Caller, name: str, version: int | None) -> Version:
        caller.need(Role.DEVELOPER)
        await self.function(caller, name)
        found = await self.stores.functions.activate(caller.project, name, version)
        if found is None:
            which = "version before the active one" if version is None else f"version {version}"
            raise VersionNotFound(f"{name} has no {which}; see its list of versions.")
        await self.changed(caller.project, name)
        return found

    async def _try_load(self, deployment: Deployment, bundle: Bundle) -> None:
        """Run the bundle's top level once, as a worker would. Raises: InvalidBundle."""
        env = await self.environments.current(deployment.project)
        try:
            await self.starter.try_load(deployment, Program(bundle.code, env.exposed))
        except LoadFailed as failure:
            raise InvalidBundle(await asyncio.to_thread(_told, str(failure), bundle.source_map)) from None


def _told(failure: str, source_map: bytes | None) -> str:
    """Say where in its author's files a bundle failed."""
    if source_map is None or "function.js:" not in failure:
        return failure
    try:
        return translate(failure, decode_source_map(source_map))
    except BadSourceMap:
        return failure


def _check_source_map(text: bytes) -> None:
    """Its mappings are looked at when a stack trace needs them: broken ones harm nobody but its author."""
    try:
        read_source_map(text)
    except BadSourceMap as bad:
        raise InvalidBundle(f"The source map cannot be used: {bad}. Send the one that the bundler wrote.") from None


def _check(bundle: Bundle) -> None:
    if len(bundle.code) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"A bundle is at most {MAX_BUNDLE_BYTES >> 20} MiB.")
    if len(bundle.source_map or b"") > MAX_SOURCE_MAP_BYTES:
        raise TooLarge(f"A source map is at most {MAX_SOURCE_MAP_BYTES >> 20} MiB.")
    if not bundle.code.strip():
        raise InvalidBundle("The bundle is empty.")
    try:
        bundle.code.decode()
    except UnicodeDecodeError:
        raise InvalidBundle("The bundle is not UTF-8 text.") from None
    check_allow_net(bundle.config.allow_net)
