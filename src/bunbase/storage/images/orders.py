"""The messages between the server and a process that makes a variant. This file imports the standard library only.

Both directions send: the length of a JSON head in 4 bytes, the head, and the bytes of an image. `size` in the head is
the length of these bytes.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from typing import Any, Final

LENGTH: Final = struct.Struct(">I")
MAX_HEAD_BYTES: Final = 4096


@dataclass(frozen=True)
class Order:
    """A variant to make. `width`, `height`: 0 if the caller did not ask for one. `format`: webp, avif, jpeg, png, or
    origin for the format of the image.
    """

    width: int
    height: int
    fit: str
    format: str
    quality: int


@dataclass(frozen=True)
class Made:
    content_type: str
    width: int
    height: int


class Refusal(Exception):
    """The image cannot have this variant. `why`: `unreadable` or `large`."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


def ordered(order: Order, size: int) -> bytes:
    """Return the head of an order for an image of `size` bytes."""
    return _head({**asdict(order), "size": size})


def read_order(head: bytes) -> tuple[Order, int]:
    sent = json.loads(head)
    size = sent.pop("size")
    return Order(**sent), size


def answered(made: Made, size: int) -> bytes:
    return _head({**asdict(made), "size": size})


def refused(refusal: Refusal) -> bytes:
    return _head({"why": refusal.why, "detail": refusal.detail, "size": 0})


def read_answer(head: bytes) -> tuple[Made, int]:
    """Return what was made, and the length of its bytes. The process may lie: every value is checked.

    Raises: Refusal, ValueError.
    """
    try:
        sent = json.loads(head)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    if not isinstance(sent, dict):
        raise ValueError("the answer is not an object")
    if sent.get("why") in ("unreadable", "large"):
        detail = (
            str(sent.get("detail", ""))[:300].encode("utf-8", "replace").decode()
        )  # half of a surrogate pair is no text
        raise Refusal(str(sent["why"]), detail)
    numbers = [sent.get(name) for name in ("width", "height", "size")]
    if any(type(one) is not int or one <= 0 for one in numbers) or not isinstance(sent.get("content_type"), str):
        raise ValueError("the answer has wrong values")
    return Made(sent["content_type"], sent["width"], sent["height"]), sent["size"]


def _head(values: dict[str, Any]) -> bytes:
    text = json.dumps(values).encode()
    return LENGTH.pack(len(text)) + text
