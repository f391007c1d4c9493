"""Plan the changes of collections: each change, the number of affected documents, and the requests that make it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET

from bunbase.cli.errors import Refused
from bunbase.cli.http import Call, decode
from bunbase.cli.output import Output
from bunbase.cli.plans.asking import UNKNOWN, AskedFunctions
from bunbase.cli.plans.changes import Change, ChangeClass, name_of, name_of_field
from bunbase.cli.plans.comparing import altered, index_changes, index_name, is_empty, needed, rule_changes, wanted_as
from bunbase.cli.plans.counting import WHOLE, Counted, DocumentCounts
from bunbase.cli.plans.steps import Do, PlannedStep
from bunbase.cli.session import Session
from bunbase.contracts.bundoc.collections import BeforeWrite, Collection, CollectionSpec, HookWarning, IndexSpec, Rules

REQUEST_SECONDS: Final = 60.0
BUILD_SECONDS: Final = 600.0
LOOK_SECONDS: Final = 0.2
INVALID_RULE: Final = "invalid_rule"


class Collections(msgspec.Struct, frozen=True):
    items: tuple[Collection, ...]


class CollectionsPlan(msgspec.Struct, frozen=True):
    """The changes, and the steps that make them. `after`: the steps that run after the functions are uploaded."""

    changes: tuple[Change, ...]
    steps: tuple[PlannedStep, ...]
    after: tuple[PlannedStep, ...] = ()


def present_collections(session: Session, project: str) -> dict[str, Collection]:
    """Return the collections of the project, by name."""
    call = Call("GET", "/v1/collections", headers={"x-bunbase-project": project}, seconds=REQUEST_SECONDS)
    return {one.name: one for one in session.ask(Collections, call).items}


def plan_collections(
    session: Session,
    project: str,
    wanted: dict[str, CollectionSpec],
    drops: bool = False,
    functions: AskedFunctions = UNKNOWN,
) -> CollectionsPlan:
    """Compare the wanted collections with the collections of the project.

    `drops`: drop all other collections of the project.
    `functions`: the functions that collections may call. The server checks all rules, and the schemas of existing
    collections, so a mistake stops the plan before anything changes. Raises: Refused.
    """
    present = present_collections(session, project)
    documents = DocumentCounts(session, project)
    changes: list[Change] = []
    steps: list[PlannedStep] = []
    after: list[PlannedStep] = []
    _check_rules(session, project, wanted)
    for name, spec in wanted.items():
        now = present.get(name)
        sent = needed(spec, now)
        changes += functions.changes(name, spec)
        if now is None:
            changes.append(Change(name_of(name), ChangeClass.ADDITIVE, f"a new collection{_with(spec)}"))
        elif is_empty(sent):
            continue
        else:
            changes += _changes(name, sent, spec, now, documents)
        if now is not None and functions.put_off(sent):
            asking = CollectionSpec(before_write=sent.before_write)
            after.append(PlannedStep(name, putting(session, project, name, asking)))
            sent = msgspec.structs.replace(sent, before_write=UNSET)
        if not is_empty(sent) or now is None:
            steps.append(PlannedStep(name, putting(session, project, name, sent, functions)))
    gone = [present[name] for name in present if drops and name not in wanted]
    changes += [_dropped(one.name, documents) for one in gone]
    # drop collections last, because before this step the schemas of other collections may refer to them
    steps += [PlannedStep(one.name, _forgetting(session, project, one.name)) for one in gone if one.schema is not None]
    steps += [PlannedStep(one.name, _dropping(session, project, one.name)) for one in gone]
    return CollectionsPlan(tuple(changes), tuple(steps), tuple(after))


def _changes(
    name: str, sent: CollectionSpec, spec: CollectionSpec, now: Collection, documents: DocumentCounts
) -> Iterator[Change]:
    """Yield the changes of a collection that exists."""
    if sent.schema is not UNSET or sent.strict is not UNSET:
        yield from _schema_changes(name, sent, now, documents)
    if sent.expires is not UNSET:
        yield _expiry_change(name, sent.expires, now, documents)
    if sent.before_write is not UNSET:
        had, has = now.before_write is not None, sent.before_write is not None
        what = "changes" if had and has else "is added" if has else "is removed: it no longer decides about writes"
        change = f"the function that is asked before writes {what}"
        yield Change(name_of(name, "before_write"), ChangeClass.REWRITING, change)
    if sent.before_images is not UNSET:
        begins = "changes have" if sent.before_images else "changes no longer have"
        change = f"{begins} the document before the change"
        yield Change(name_of(name, "before_images"), ChangeClass.ADDITIVE, change)
    if sent.max_scan is not UNSET:
        most = "the server's number of" if sent.max_scan is None else f"{sent.max_scan}"
        change = f"a query of a user may examine {most} documents"
        yield Change(name_of(name, "max_scan"), ChangeClass.REWRITING, change)
    if isinstance(sent.rules, Rules) or sent.rules is None:
        for rule, had, has in rule_changes(sent.rules, now.rules):
            what = "changes" if had and has else "is added" if has else "is removed"
            effect = ChangeClass.REWRITING if had else ChangeClass.ADDITIVE
            yield Change(name_of(name, "rules", rule), effect, f"the rule {rule} {what}")
    if isinstance(sent.indexes, tuple) and isinstance(spec.indexes, tuple):
        new, gone, _ = index_changes(spec.indexes, now)
        for index in new:
            yield _new_index(name, index, documents)
        for index in gone:
            what = "is dropped: from then on, documents may have equal values" if index.unique else "is dropped"
            yield Change(name_of(name, "indexes", index_name(index)), ChangeClass.REWRITING, f"the index {what}")


def _schema_changes(name: str, sent: CollectionSpec, now: Collection, documents: DocumentCounts) -> Iterator[Change]:
    schema, strict = altered(now, sent)
    if schema is None:
        yield Change(
            name_of(name, "schema"), ChangeClass.REWRITING, "the schema is removed: documents are no longer checked"
        )
        return
    known = {field for one in (schema, now.schema or {}) for field in _properties(one)}
    broken, complete = documents.misfits(name, schema, strict, known)
    for field, count in sorted(broken.items()):
        what = "do not match the schema" if field == WHOLE else f"do not match the schema in {field}"
        change = f"documents {what}: their next write must correct them"
        at = name_of(name, "schema") if field == WHOLE else name_of_field(name, field)
        yield Change(at, ChangeClass.LOSING, change, count, complete)
    if not broken and not complete:
        change = "the schema changes, and not all documents could be checked in time"
        yield Change(name_of(name, "schema"), ChangeClass.LOSING, change, 0, complete=False)
    elif not broken:
        had = now.schema is not None
        effect = ChangeClass.REWRITING if had else ChangeClass.ADDITIVE
        yield Change(
            name_of(name, "schema"), effect, f"{'the' if had else 'a'} schema {'changes' if had else 'is added'}"
        )


def _properties(schema: dict[str, Any]) -> Iterable[str]:
    """Return the fields that a schema describes."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else ()


def _expiry_change(name: str, path: Any, now: Collection, documents: DocumentCounts) -> Change:
    at = name_of(name, "expires")
    if path is None:
        return Change(at, ChangeClass.REWRITING, "documents no longer expire")
    over = documents.ended(name, path)
    if over.documents or not over.complete:
        change = f"documents expire at once, because the time in {path} is over"
        return Change(at, ChangeClass.LOSING, change, over.documents, over.complete)
    effect = ChangeClass.REWRITING if now.expires else ChangeClass.ADDITIVE
    return Change(at, effect, f"documents expire at the time in {path}")


def _new_index(name: str, index: IndexSpec, documents: DocumentCounts) -> Change:
    at = name_of(name, "indexes", index_name(index))
    all_of = documents.all_of(name)
    doubled = documents.duplicates(name, index) if index.unique and all_of.documents else Counted(0)
    if doubled.documents:
        change = f"documents have equal values in {', '.join(index.fields)}: a unique index is not possible"
        return Change(at, ChangeClass.LOSING, change, doubled.documents, doubled.complete, blocked=True)
    kind = "a unique index" if index.unique else "an index"
    return Change(at, ChangeClass.REWRITING, f"{kind} on {', '.join(index.fields)} is built", all_of.documents)


def _dropped(name: str, documents: DocumentCounts) -> Change:
    return Change(
        name_of(name),
        ChangeClass.LOSING,
        "the collection and its documents are deleted",
        documents.all_of(name).documents,
    )


def _with(spec: CollectionSpec) -> str:
    parts = [
        *(["a schema"] if isinstance(spec.schema, dict) else []),
        *(["rules"] if isinstance(spec.rules, Rules) else []),
        *(["indexes"] if spec.indexes else []),
        *(["a function that is asked before writes"] if isinstance(spec.before_write, BeforeWrite) else []),
    ]
    return f" with {', '.join(parts)}" if parts else ""


def _check_rules(session: Session, project: str, wanted: dict[str, CollectionSpec]) -> None:
    """Raises: Refused if the server does not accept a rule. The error names the collection."""
    rules = {name: spec.rules for name, spec in wanted.items() if isinstance(spec.rules, Rules)}
    try:
        _try_rules(session, project, rules)
    except Refused:
        for name, one in rules.items():
            try:
                _try_rules(session, project, {name: one})
            except Refused as refused:
                if refused.code == INVALID_RULE:
                    raise _named(refused, name) from None
        raise


def _named(refused: Refused, collection: str) -> Refused:
    """Return the refusal of a rule, and add the name of the collection."""
    detail = f"A rule of {collection} is not valid. {refused.problem.get('detail', '')} Nothing was changed."
    return Refused(refused.problem | {"title": "", "detail": detail, "collection": collection})


def _try_rules(session: Session, project: str, rules: dict[str, Rules]) -> None:
    if rules:
        trial = {"rules": rules, "documents": {}, "cases": [{"collection": next(iter(rules)), "op": "get", "doc": {}}]}
        decode(session.send(_call("POST", "/v1/rules/test", project, trial)), dict)


def putting(session: Session, project: str, name: str, spec: CollectionSpec, functions: AskedFunctions = UNKNOWN) -> Do:
    """Return the step that sends the settings of a collection, and waits until its indexes are built."""

    def put(out: Output) -> str:
        made = session.ask(Collection, _call("PUT", f"/v1/collections/{name}?wait=false", project, spec))
        for warning in made.warnings or ():
            if not (isinstance(warning, HookWarning) and warning.function in functions.coming):
                out.warn(warning.detail)
        unique = [wanted_as(one) for one in made.indexes if one.unique and not one.ready]
        made = _built(session, project, made, out)
        kept = [wanted_as(one) for one in made.indexes]
        # the server dropped a unique index that it could not build; a second request makes it return the reason
        if any(one not in kept for one in unique):
            session.ask(Collection, _call("PUT", f"/v1/collections/{name}", project, spec))
        return f"{name} is as the file describes it."

    return put


def _built(session: Session, project: str, made: Collection, out: Output) -> Collection:
    """Wait until the indexes are built.

    Return after ten minutes, because the server also builds the indexes without this command.
    """
    until = time.monotonic() + BUILD_SECONDS
    with out.working(f"building indexes of {made.name}") as told:
        while missing := [one for one in made.indexes if not one.ready]:
            if time.monotonic() > until:
                out.warn(f"The server still builds {', '.join(one.name for one in missing)} of {made.name}.")
                break
            told(f"{min(one.progress or 0 for one in missing):.0%}")
            time.sleep(LOOK_SECONDS)
            made = session.ask(Collection, _call("GET", f"/v1/collections/{made.name}", project))
    return made


def _forgetting(session: Session, project: str, name: str) -> Do:
    """Remove the schema of a collection that will be dropped.

    Collections that refer to each other could not be dropped in any order otherwise.
    """

    def forget(_out: Output) -> str:
        spec = CollectionSpec(schema=None, strict=False)
        session.ask(Collection, _call("PUT", f"/v1/collections/{name}", project, spec))
        return ""

    return forget


def _dropping(session: Session, project: str, name: str) -> Do:
    def drop(_out: Output) -> str:
        decode(session.send(_call("DELETE", f"/v1/collections/{name}", project)), type(None))
        return f"{name} is dropped."

    return drop


def _call(method: str, path: str, project: str, body: Any = None) -> Call:
    headers = {"x-bunbase-project": project} | ({} if body is None else {"content-type": "application/json"})
    content = None if body is None else msgspec.json.encode(body)
    return Call(method, path, headers=headers, content=content, seconds=REQUEST_SECONDS)
