"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bunbase_sdk.core.deadline import Deadline
from bunbase_sdk.core.flow import Emit, Flow, Items
from bunbase_sdk.core.transport import Transport, Wanted, search
from bunbase_sdk.page import Page


def page_of(value: Any) -> Page[Any]:
    """Return the page of an answer."""
    estimated = value.get("count_is_estimate", False)
    return Page(value["items"], value.get("next"), value.get("count"), estimated, value.get("explain"))


def listed(
    transport: Transport, path: str, values: Mapping[str, object], within: Deadline, administers: bool = False
) -> Flow[Page[Any]]:
    """Return one page of a list. `values`: the parameters of the address, without those that are None."""
    wanted = Wanted("GET", path + search(values), repeatable=True, administers=administers)
    return page_of((yield from transport.json(wanted, within)))


def all_listed(
    transport: Transport,
    path: str,
    values: Mapping[str, object],
    timeout: float | None,
    administers: bool = False,
) -> Items[Any]:
    """Emit each item of a list, page by page. `timeout`: the timeout for each page."""
    cursor: str | None = None
    while True:
        within = transport.deadline(timeout)
        page = yield from listed(transport, path, {**values, "cursor": cursor}, within, administers)
        for item in page.items:
            yield Emit(item)
        if page.next is None:
            return
        cursor = page.next
