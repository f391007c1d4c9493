"""The wire format of calls: JSON-RPC 2.0 in MessagePack between processes of BunBase, and in JSON for other clients.

The method is `<room>.<name>`, and params are named. A streaming method answers with one envelope per item and a last
envelope with `end`. Each envelope is a length-prefixed MessagePack frame or a line of JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

T = TypeVar("T")

JSON = "application/json"
MSGPACK = "application/msgpack"
STREAM_JSON = "application/jsonl"
STREAM_MSGPACK = "application/vnd.bunbase.msgpack-stream"

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
PROBLEM = -32000  # The `data` of such an error holds the problem+json body.

REQUEST_ID_HEADER = "x-request-id"
DEADLINE_HEADER = "x-deadline-ms"  # This header has the milliseconds that were left when the call was sent.

MAX_BODY_BYTES = 32 << 20
MAX_BATCH = 100


class Error(msgspec.Struct, frozen=True, omit_defaults=True):
    code: int
    message: str
    data: dict[str, Any] | None = None


@dataclass(frozen=True)
class ContractMethod:
    """One method of a contract. `arguments`: a Struct of all arguments. `answer`: the type of the answer, or of each
    item if the method streams. `waits`: true if the method is marked with `waits_for_news`.
    """

    name: str
    arguments: type[msgspec.Struct]
    answer: Any
    streams: bool
    waits: bool = False


def waits_for_news(method: T) -> T:
    """Mark a method of a contract that only waits for changes. A stopping server does not wait for such a call."""
    method.waits_for_news = True  # type: ignore[attr-defined]  # read by `_call`
    return method


def calls_of(contract: type) -> list[ContractMethod]:
    """Return the public methods of a Protocol.

    Raises: TypeError for a method that is neither async nor returns an AsyncIterator.
    """
    return [
        _call(name, method)
        for name, method in inspect.getmembers(contract, inspect.isfunction)
        if not name.startswith("_")
    ]


def _call(name: str, method: Any) -> ContractMethod:
    hints = get_type_hints(method, include_extras=True)
    answer = hints.pop("return")
    streams = get_origin(answer) is AsyncIterator
    if not streams and not inspect.iscoroutinefunction(method):
        raise TypeError(f"{method.__qualname__} must be async or return an AsyncIterator")
    defaults = {name: one.default for name, one in inspect.signature(method).parameters.items()}
    fields = [
        (name, hint) if defaults[name] is inspect.Parameter.empty else (name, hint, defaults[name])
        for name, hint in hints.items()
    ]
    arguments = msgspec.defstruct(f"{name}_arguments", fields, forbid_unknown_fields=True, frozen=True)
    waits = getattr(method, "waits_for_news", False)
    return ContractMethod(name, arguments, get_args(answer)[0] if streams else answer, streams, waits)
