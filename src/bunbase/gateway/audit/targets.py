"""The target of an entry of the audit log: the thing that the act changes, by its id.

The path of a request names most targets before the act. An act that makes something has no target yet. In this case
the answer names the new thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller
from bunbase.gateway.audit.shown import object_in

PROJECT_ACTS: Final = frozenset({Act.PROJECT_UPDATE, Act.PROJECT_DELETE, Act.PROJECT_RESTORE, Act.PROJECT_TRANSFER})
# These placeholders of paths name the place of an act, which an entry has in addition to its target.
PLACES: Final = ("project", "org")
# Answers name these objects: a member, or the place that an invitation was for.
INSIDE: Final = ("user", "project", "org")
UNCHANGED: Final = "already_member"  # An invitation with this status changed nothing, so no place has an entry of it.
# These fields of answers name the new thing. The first field in this order counts.
IDS: Final = ("id", "client_id", "access_key_id", "job", "uid")


def target_before(act: Act, caller: Caller, parameters: Mapping[str, Any]) -> str:
    """Return the target that the path of a request names, or "". `parameters`: the values of its placeholders."""
    if act in PROJECT_ACTS:
        return caller.project
    named = [str(value) for name, value in parameters.items() if name not in PLACES]
    if act is Act.DOCUMENT_WRITE and len(named) < 2:
        return ""  # This is a new document, which has no id yet.
    return "/".join(named) if named or makes(act) else str(parameters.get("org", ""))


def target_after(act: Act, collection: str, answer: bytes) -> str:
    """Return the id of the thing that the act has made, or "". The id counts only if the entry has no target yet."""
    made = object_in(answer)
    if made.get(UNCHANGED):
        return ""
    if act is Act.DOCUMENT_WRITE:
        return f"{collection}/{made['_id']}" if "_id" in made else ""
    if act is Act.BUCKET_CREATE:
        return str(made.get("name", ""))
    for inside in INSIDE:
        if isinstance(found := made.get(inside), dict):
            made = found
    return next((str(made[name]) for name in IDS if made.get(name)), "")


def makes(act: Act) -> bool:
    """True if the act makes something new, in a project or in an organisation."""
    return act.value.endswith(".create")
