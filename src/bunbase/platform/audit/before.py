"""The values of a target before an act changes it, for acts on people and on rows that Platform itself stores.

If an act is about a person, the entry stores the person's address, because the account may be deleted later. The entry
has the address only if the person is a member of the project or organisation, or if the caller administrates the
installation. Otherwise, a caller could send the id of any person, and then read the address in the log of the caller's
project.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec

from bunbase.contracts.acts import Act
from bunbase.contracts.audit import AuditedAct
from bunbase.contracts.bunauth.service import BunAuth
from bunbase.contracts.caller import Caller
from bunbase.pkg.errors import Unreachable
from bunbase.platform.store import Stores
from bunbase.platform.store.groups import Group, GroupKind

Values = dict[str, Any]

# the gateway waits for an address for at most this time, and then stores the entry without the address
ADDRESS_SECONDS: Final = 1.0

# the log of the project's organisation also has these acts on a project
SEEN_BY_ORG: Final = frozenset(
    act.value
    for act in (
        Act.PROJECT_UPDATE,
        Act.PROJECT_DELETE,
        Act.PROJECT_RESTORE,
        Act.PROJECT_TRANSFER,
        Act.PROJECT_SUSPEND,
        Act.PROJECT_RESUME,
    )
)


class BeforeActs:
    def __init__(self, stores: Stores, bunauth: BunAuth) -> None:
        self.stores = stores
        self.bunauth = bunauth
        self.readers: dict[str, Callable[[str, str], Awaitable[Values | None]]] = {
            Act.PROJECT_UPDATE.value: self._project,
            Act.PROJECT_DELETE.value: self._project,
            Act.PROJECT_RESTORE.value: self._project,
            Act.PROJECT_TRANSFER.value: self._org,
            Act.MEMBER_UPDATE.value: partial(self._member, GroupKind.PROJECT),
            Act.MEMBER_REMOVE.value: partial(self._member, GroupKind.PROJECT),
            Act.MEMBER_LEAVE.value: partial(self._member, GroupKind.PROJECT),
            Act.KEY_UPDATE.value: self._key,
            Act.KEY_DELETE.value: self._key,
            Act.KEY_ROTATE.value: self._key,
        }
        self.readers_of_orgs = dict.fromkeys(
            (Act.ORG_MEMBER_UPDATE.value, Act.ORG_MEMBER_REMOVE.value, Act.ORG_MEMBER_LEAVE.value),
            partial(self._member, GroupKind.ORG),
        )

    async def values(self, caller: Caller, org: str, act: AuditedAct) -> Values | None:
        """Return the values of the target before the act, or None if there is no target or the target has no such
        values.

        `org`: the organisation whose log has the act, or "".
        """
        if act.action == Act.ACCOUNT_RESET_FACTORS and caller.developer is not None and caller.developer.admin:
            return await self._address(act.target)
        place, readers = (caller.project, self.readers) if caller.project else (org, self.readers_of_orgs)
        reader = readers.get(act.action)
        return None if reader is None or not place else await reader(place, act.target)

    async def org(self, caller: Caller, act: AuditedAct) -> str:
        """Return the id of the organisation whose log has the act, or "".

        If the caller is not a member, the result is "": for such callers, the organisation does not exist.
        """
        if caller.developer is None:
            return ""
        if act.action in SEEN_BY_ORG:
            named = act.target if caller.developer.admin else ""  # administrators act on projects of other people
            return await self._org_of(caller.project or named)
        if not act.org or "\0" in act.org:
            return ""
        found = await self.stores.orgs.find(act.org, caller.developer.id)
        return "" if found is None else found.id

    async def _org_of(self, project: str) -> str:
        """Return the organisation of a project, or "".

        `project`: the id of the project, or the slug that an administrator sent.
        """
        if "\0" in project:
            return ""
        id = await self.stores.projects.id_of(project) or project
        return await self.stores.projects.org_of(id) or ""

    async def _project(self, project: str, _target: str) -> Values | None:
        name = await self.stores.projects.name_of(project)
        return None if name is None else {"name": name}

    async def _org(self, project: str, _target: str) -> Values | None:
        return {"org": await self.stores.projects.org_of(project)}

    async def _member(self, kind: GroupKind, place: str, target: str) -> Values | None:
        found = await self.stores.members.find(Group(kind, place), target) if "\0" not in target else None
        return None if found is None else {"role": found.role, **await self._address(target)}

    async def _address(self, account: str) -> Values:
        """Return the address of an account, or {} if the account does not exist, or if BunAuth does not answer.

        The act continues without an address.
        """
        try:
            async with asyncio.timeout(ADDRESS_SECONDS):
                found = await self.bunauth.accounts((account,))
        except (TimeoutError, Unreachable):
            return {}
        return {"email": found[0].email} if found else {}

    async def _key(self, project: str, target: str) -> Values | None:
        key = await self.stores.keys.find(project, target) if "\0" not in target else None
        if key is None:
            return None
        shown = ("kind", "name", "hint", "expires_at")
        values: Values = msgspec.to_builtins({name: getattr(key, name) for name in shown})
        return values
