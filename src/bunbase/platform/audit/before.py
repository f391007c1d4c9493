"""The values of a thing before an act changes it, for the acts on things that Platform itself stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bunbase.contracts.acts import Act
from bunbase.contracts.audit import AuditedAct
from bunbase.platform.store import PlatformStore

Values = dict[str, Any]


class BeforeActs:
    def __init__(self, store: PlatformStore) -> None:
        self.store = store
        self.readers: dict[str, Callable[[str, str], Awaitable[Values | None]]] = {
            Act.PROJECT_UPDATE.value: self._project,
            Act.PROJECT_DELETE.value: self._project,
            Act.KEY_UPDATE.value: self._key,
            Act.KEY_DELETE.value: self._key,
            Act.KEY_ROTATE.value: self._key,
        }

    async def values(self, project: str, act: AuditedAct) -> Values | None:
        """Return the values of the target before the act, or None if there is no target or it has no such values."""
        reader = self.readers.get(act.action)
        return None if reader is None or not project else await reader(project, act.target)

    async def _project(self, project: str, _target: str) -> Values | None:
        name = await self.store.name_of(project)
        return None if name is None else {"name": name}

    async def _key(self, project: str, target: str) -> Values | None:
        key = await self.store.key(project, target) if "\0" not in target else None
        if key is None:
            return None
        shown = ("kind", "name", "hint", "expires_at")
        values: Values = msgspec.to_builtins({name: getattr(key, name) for name in shown})
        return values
