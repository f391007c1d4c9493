"""Begin an entry of the audit log before the handler of a request runs, and end it afterwards."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request

from bunbase.contracts.acts import Act
from bunbase.contracts.audit import ActEnd, AuditedAct, AuditUnavailable
from bunbase.contracts.caller import Caller
from bunbase.contracts.platform import Platform
from bunbase.contracts.scopes import SOME_COLLECTION
from bunbase.gateway.audit.policy import ALWAYS_DONE, is_audited, refined
from bunbase.gateway.audit.refusals import Refusals
from bunbase.gateway.audit.shown import object_in, shown_values
from bunbase.gateway.audit.targets import target_after, target_before
from bunbase.gateway.credentials import AS_HEADER
from bunbase.gateway.frame import ACTOR, CALLER
from bunbase.gateway.identity import in_time
from bunbase.gateway.route_acts import act_of
from bunbase.pkg import context
from bunbase.pkg.errors import Forbidden
from bunbase.pkg.logger import logger

log = logger("gateway")

AUDITED: Final = "audited"  # The scope's state has the entry that has begun under this key.
ENTERING: Final = frozenset({Act.PROJECT_CREATE, Act.INVITE_ACCEPT})  # After these acts, the caller is in a project.
ENTERING_ORGS: Final = frozenset({Act.ORG_CREATE, Act.INVITE_ACCEPT})
# The answers to these acts name the organisation.
JOINING_ORGS: Final = frozenset({Act.PROJECT_CREATE, Act.PROJECT_TRANSFER})
OF_PROJECTS, OF_ORGS = "prj_", "org_"
OK: Final = range(200, 300)

AnyRequest = Request[Any, Any, Any]


class Begun(msgspec.Struct, frozen=True):
    """An entry that has begun. `place`: the user in whose place the caller acts, or `-` for a visitor."""

    id: str
    act: Act
    method: str
    collection: str
    place: str = ""


class Auditor:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.refusals = Refusals(platform)

    async def begin(self, request: AnyRequest) -> None:
        """Begin the entry of an audited act. Raises: AuditUnavailable, and the Problem of a caller without the role."""
        caller = _actor(request)
        act = act_of(request.method, request.scope["path_template"])
        if caller is None or act is None:
            return
        act = refined(act, caller, request.path_params, request.query_params.keys())
        if not is_audited(caller, act):
            return
        audited = _audited(caller, act, request)
        try:
            caller.check(act, SOME_COLLECTION)
        except Forbidden:
            await self.refusals.note(caller, audited)
            raise
        id = await self.entry(caller, act, audited)
        if id:
            collection = request.path_params.get("collection", "")
            place = request.headers.get(AS_HEADER, "")
            request.scope["state"][AUDITED] = Begun(id, act, request.method, collection, place)

    async def refuse(self, request: AnyRequest) -> None:
        """Note an attempt that was refused before `begin`, because of the scopes of a token or key."""
        caller = _actor(request)
        act = act_of(request.method, request.scope["path_template"])
        if caller is not None and act is not None and is_audited(caller, act):
            await self.refusals.note(caller, _audited(caller, act, request))

    async def end(self, begun: Begun, status: int, sent: bytes, answer: bytes) -> None:
        """Store the outcome. Never raises: the act is done, and an entry without an outcome shows it as unknown."""
        done = status in OK
        after = shown_values(begun.act, begun.method, sent, answer) if done else None
        if after is not None and begun.place:
            after = {**after, "as": begun.place}
        target = target_after(begun.act, begun.collection, answer) if done else ""
        project = target if begun.act in ENTERING and target.startswith(OF_PROJECTS) else ""
        org = _org(begun, target, answer) if done else ""
        try:
            await in_time(self.platform.end_act(begun.id, ActEnd(status, after, target, project, org)))
        except Exception as error:
            log.warning("an outcome is missing in the audit log", entry=begun.id, status=status, reason=repr(error))

    async def entry(self, caller: Caller, act: Act, audited: AuditedAct) -> str:
        """Return the id of the new entry, or "" if the act may be done without an entry. Raises: AuditUnavailable."""
        try:
            return await in_time(self.platform.begin_act(caller, audited))
        except Exception as error:
            fields = {"action": act.value, "target": audited.target, "project": caller.project, "reason": repr(error)}
            if act in ALWAYS_DONE:
                log.error("an act is missing in the audit log", **fields)
                return ""
            log.error("an act was refused because the audit log cannot be written", **fields)
            raise AuditUnavailable("Nothing was changed. Try again later.") from None


def _actor(request: AnyRequest) -> Caller | None:
    """Return the caller that acts, even if it acts in the place of a user."""
    state = request.scope["state"]
    found: Caller | None = state.get(ACTOR) or state.get(CALLER)
    return found


def _audited(caller: Caller, act: Act, request: AnyRequest) -> AuditedAct:
    """Return the content of the entry. A read by an administrator has a separate act, so that owners see it."""
    action, target = act.value, target_before(act, caller, request.path_params)
    if caller.inspects:
        action, target = Act.PROJECT_INSPECT.value, f"{action} {target}".strip()
    return AuditedAct(action, target, context.request_id.get(), request.path_params.get("org", ""))


def _org(begun: Begun, target: str, answer: bytes) -> str:
    """Return the organisation that the act has created or entered, or to which its project belongs now; else ""."""
    if begun.act in JOINING_ORGS:
        return str(object_in(answer).get("org", ""))
    return target if begun.act in ENTERING_ORGS and target.startswith(OF_ORGS) else ""
