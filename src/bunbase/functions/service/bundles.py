"""Checks and compiles a bundle before it becomes a version."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Final

from bunbase.contracts.functions.deployments import Bundle
from bunbase.contracts.functions.problems import InvalidBundle
from bunbase.functions.egress.allowed import check_allow_net
from bunbase.functions.logs.source_map import BadSourceMap, decode_source_map, read_source_map
from bunbase.functions.logs.stack_traces import translate
from bunbase.functions.store.functions import NewVersion
from bunbase.functions.versions.environments import Environments
from bunbase.functions.workers.deployment import Deployment
from bunbase.functions.workers.program import Program
from bunbase.functions.workers.start import LoadFailed
from bunbase.functions.workers.starter import Starter
from bunbase.pkg.clock import Clock
from bunbase.pkg.errors import TooLarge

MAX_BUNDLE_BYTES: Final = 20 << 20
MAX_SOURCE_MAP_BYTES: Final = 10 << 20


class Bundles:
    def __init__(self, environments: Environments, starter: Starter, clock: Clock) -> None:
        self.environments = environments
        self.starter = starter
        self.clock = clock

    async def prepare(self, project: str, name: str, bundle: Bundle, created_by: str) -> NewVersion:
        """Return the version that results from a bundle, after a worker has loaded and compiled the bundle.

        Raises: InvalidBundle, InvalidInput, TooLarge, FunctionOverloaded, FunctionsUnavailable.
        """
        _check(bundle)
        if bundle.source_map is not None:
            await asyncio.to_thread(_check_source_map, bundle.source_map)
        sha256 = hashlib.sha256(bundle.code).hexdigest()
        await self._try_load(Deployment(project, name, 0, sha256, bundle.config, 0), bundle)
        bytecode = await self.starter.compile(project, bundle.code)
        now = self.clock.now()
        return NewVersion(bundle.code, bundle.source_map, bundle.config, sha256, now, created_by, bytecode)

    async def _try_load(self, deployment: Deployment, bundle: Bundle) -> None:
        """Run the bundle's top level once, as a worker would. Raises: InvalidBundle."""
        values = await self.environments.current(deployment.project)
        try:
            await self.starter.try_load(deployment, Program(bundle.code, values.exposed))
        except LoadFailed as failure:
            raise InvalidBundle(await asyncio.to_thread(_translated, str(failure), bundle.source_map)) from None


def _translated(failure: str, source_map: bytes | None) -> str:
    """Return the message of a failure, with places in the author's files instead of places in the bundle."""
    if source_map is None or "function.js:" not in failure:
        return failure
    try:
        return translate(failure, decode_source_map(source_map))
    except BadSourceMap:
        return failure


def _check_source_map(text: bytes) -> None:
    """Check a source map except for its mappings, which are decoded later if a stack trace needs them.

    Raises: InvalidBundle.
    """
    try:
        read_source_map(text)
    except BadSourceMap as bad:
        raise InvalidBundle(f"The source map cannot be used: {bad}. Send the map that the bundler wrote.") from None


def _check(bundle: Bundle) -> None:
    if len(bundle.code) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"A bundle may have at most {MAX_BUNDLE_BYTES >> 20} MiB.")
    if len(bundle.source_map or b"") > MAX_SOURCE_MAP_BYTES:
        raise TooLarge(f"A source map may have at most {MAX_SOURCE_MAP_BYTES >> 20} MiB.")
    if not bundle.code.strip():
        raise InvalidBundle("The bundle is empty.")
    try:
        bundle.code.decode()
    except UnicodeDecodeError:
        raise InvalidBundle("The bundle is not UTF-8 text.") from None
    check_allow_net(bundle.config.allow_net)
