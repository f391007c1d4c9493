"""In dev mode, log a warning at the first query under a list rule that no index serves."""

from __future__ import annotations

import asyncio
from typing import Final

from bunbase.bundoc.engine import Engine
from bunbase.bundoc.permissions.list_warnings import list_warning
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.pkg.errors import Problem
from bunbase.pkg.logger import logger

log = logger("bundoc")

MAX_KNOWN: Final = 10_000


class FirstQueries:
    """Remembers the rules that were checked. A changed rule counts as a new rule."""

    def __init__(self, engine: Engine, read_seconds: float) -> None:
        self.engine = engine
        self.read_seconds = read_seconds
        self.known: set[tuple[str, str, str]] = set()

    async def note(self, project: str, collection: str, rules: RuleSet) -> None:
        """Log a warning if this is the first query under the list rule, and a list reads the whole collection."""
        rule = rules.rules.get("list")
        if rule is None or (project, collection, rule.source) in self.known:
            return
        if len(self.known) >= MAX_KNOWN:
            self.known.clear()
        self.known.add((project, collection, rule.source))
        try:
            stored = await self.engine.collections(project)
        except Problem:
            return  # The query itself may still succeed.
        indexes = next((one.indexes for one in stored if one.name == collection), ())
        # This runs in a thread, because a rule may take many steps even without a document.
        found = await asyncio.to_thread(list_warning, collection, rules, indexes, self.read_seconds)
        if found is not None:
            log.warning(
                "a list rule is served by no index",
                project=project,
                collection=collection,
                advice=found.detail,
                index=found.index,
            )
