"""A download that continues after a lost connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from bunbase_sdk.core.file_requests import file_path, info_of, range_of, span_of, variant_query
from bunbase_sdk.core.flow import Broken, Emit, Flow, Items, Sleep, read
from bunbase_sdk.core.retry import pause_before
from bunbase_sdk.core.transport import Transport, Wanted
from bunbase_sdk.file_values import ImageTransform

T = TypeVar("T")


def streamed(
    transport: Transport,
    actor: Mapping[str, str],
    place: tuple[str, str],
    span: tuple[int, int | None],
    transform: ImageTransform | None,
    timeout: float | None,
) -> Items[bytes]:
    """Emit the bytes of a file. If the connection breaks, continue at the same byte of the same version.

    `place`: bucket and key. `timeout`: the timeout for each piece. Raises: Problem `object_changed`, if the file was
    replaced meanwhile.
    """
    wanted = Wanted("GET", file_path(*place) + variant_query(transform), headers=actor, repeatable=True)
    asked = range_of(*span)
    answer = yield from transport.answered(_with(wanted, Range=asked), transport.deadline(timeout), stream=True)
    info = info_of(*place, answer)
    at, end = span_of(answer, info)
    failures = 0
    while at < end:
        within = transport.deadline(timeout)
        try:
            part = yield from read(answer)
            if not part:
                raise Broken("the answer ended too early")
            at += len(part)
            failures = 0
            yield Emit(part)
        except Broken as broken:
            problem = transport.unreachable(broken, within)
            pause = pause_before(failures, problem) if failures < transport.retries else None
            if pause is None:
                raise problem from broken
            failures += 1
            yield Sleep(pause)
            again = _with(wanted, **{"Range": f"bytes={at}-{end - 1}", "If-Match": f'"{info.etag}"'})
            answer = yield from transport.answered(again, transport.deadline(timeout), stream=True)


def collected(items: Items[T]) -> Flow[list[T]]:
    """Return all items that a flow emits. Raises: the errors of the flow."""
    found: list[T] = []
    error: Exception | None = None
    result: Any = None
    try:
        while True:
            step = items.send(result) if error is None else items.throw(error)
            result = error = None
            if isinstance(step, Emit):
                found.append(step.value)
                continue
            try:
                result = yield step
            except Exception as raised:
                error = raised
    except StopIteration:
        return found
    finally:
        items.close()


def _with(wanted: Wanted, **headers: str | None) -> Wanted:
    known = {name: value for name, value in headers.items() if value is not None}
    return Wanted(wanted.method, wanted.path, headers={**wanted.headers, **known}, repeatable=True)
