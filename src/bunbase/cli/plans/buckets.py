"""Plan the changes of buckets. Each change of a bucket is one request.

A setting that the file leaves out stays as it is in the project. In a new bucket, it gets its default.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from bunbase.cli.http import Call, at_v1, decode
from bunbase.cli.output import Output
from bunbase.cli.plans.changes import Change, ChangeClass
from bunbase.cli.plans.steps import Do, PlannedStep
from bunbase.cli.session import Session
from bunbase.contracts.storage import Bucket, BucketChanges, Buckets, BucketSpec, NewBucket, ObjectPage

PATH: Final = "/v1/storage/buckets"
SETTINGS: Final = BucketSpec.__struct_fields__


class BucketsPlan(msgspec.Struct, frozen=True):
    changes: tuple[Change, ...] = ()
    steps: tuple[PlannedStep, ...] = ()


def present_buckets(session: Session, project: str) -> dict[str, BucketSpec]:
    """Return the settings of the project's buckets, by name."""
    found = session.ask(Buckets, _call("GET", PATH, project))
    return {one.name: spec_of(one) for one in found.items}


def spec_of(bucket: Bucket) -> BucketSpec:
    return BucketSpec(**{name: getattr(bucket, name) for name in SETTINGS})


def named_settings(spec: BucketChanges) -> dict[str, Any]:
    """Return the settings that the file names."""
    return {field: value for field in SETTINGS if (value := getattr(spec, field)) is not msgspec.UNSET}


def plan_buckets(session: Session, project: str, wanted: Mapping[str, BucketChanges], drops: bool) -> BucketsPlan:
    """Compare the wanted buckets with the buckets of the project. `drops`: delete all other buckets of the project."""
    present = present_buckets(session, project)
    gone = sorted(present.keys() - wanted.keys()) if drops else []
    filled = {name for name in gone if has_files(session, project, name)}
    steps = []
    for name, spec in wanted.items():
        if name not in present:
            body: Any = NewBucket(name=name, **named_settings(spec))
            steps.append(
                PlannedStep(name, _sending(session, _call("POST", PATH, project, body), f"{name} is created."))
            )
        elif changed := _changed(present[name], spec):
            call = _call("PATCH", f"{PATH}/{name}", project, BucketChanges(**changed))
            steps.append(PlannedStep(name, _sending(session, call, f"{name} is as the file describes it.")))
    steps += [PlannedStep(name, _deleting(session, project, name)) for name in gone]
    return BucketsPlan(tuple(bucket_changes(wanted, present, gone, filled)), tuple(steps))


def has_files(session: Session, project: str, name: str) -> bool:
    """True if the bucket has at least one file."""
    headers = {"x-bunbase-project": project}
    page = session.ask(ObjectPage, Call("GET", at_v1("storage", "list", name), headers=headers, params={"limit": 1}))
    return bool(page.items)


def bucket_changes(
    wanted: Mapping[str, BucketChanges], present: Mapping[str, BucketSpec], gone: list[str], filled: set[str]
) -> Iterator[Change]:
    """Yield each change. `gone`: the buckets to delete. `filled`: those of them that still have files."""
    for name, spec in wanted.items():
        if (now := present.get(name)) is None:
            yield Change(f"buckets.{name}", ChangeClass.ADDITIVE, "a new bucket")
            continue
        for field, after in _changed(now, spec).items():
            before = getattr(now, field)
            yield Change(f"buckets.{name}.{field}", ChangeClass.REWRITING, _what(field, before, after))
    for name in gone:
        if name in filled:
            what = f"the bucket still has files; delete them first: bunbase storage rm -r {name}/"
            yield Change(f"buckets.{name}", ChangeClass.LOSING, what, blocked=True)
        else:
            yield Change(f"buckets.{name}", ChangeClass.LOSING, "the empty bucket is deleted with its settings")


def _changed(now: BucketSpec, spec: BucketChanges) -> dict[str, Any]:
    """Return the settings that the file names, and that the project has otherwise."""
    return {field: value for field, value in named_settings(spec).items() if getattr(now, field) != value}


def _what(field: str, before: Any, after: Any) -> str:
    if field == "rules":
        names = [name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name)]
        return f"another rule for {', '.join(names)}"
    if field == "public":
        return "everybody may read each file without a key" if after else "reading needs a key and a rule"
    return f"{_text(before)} becomes {_text(after)}"


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _sending(session: Session, call: Call, sentence: str) -> Do:
    def send(_out: Output) -> str:
        session.ask(Bucket, call)
        return sentence

    return send


def _deleting(session: Session, project: str, name: str) -> Do:
    def delete(_out: Output) -> str:
        decode(session.send(_call("DELETE", f"{PATH}/{name}", project)), type(None))
        return f"{name} is deleted."

    return delete


def _call(method: str, path: str, project: str, body: Any = None) -> Call:
    headers = {"x-bunbase-project": project} | ({} if body is None else {"content-type": "application/json"})
    return Call(method, path, headers=headers, content=None if body is None else msgspec.json.encode(body))
