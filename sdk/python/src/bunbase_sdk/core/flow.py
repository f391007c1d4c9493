"""The steps of a call.

The code of a call exists once, as a generator. The generator yields steps, and receives the result of each step. The
generator does no input or output itself. A driver (`sync/driver.py`, `aio/driver.py`) carries the steps out:

    Send  → Answer      a request; its body is read, unless `stream` is set
    Read  → bytes|None  the next bytes of a streamed answer, None at its end
    Sleep → None
    Alone → T           another flow, while no other flow holds the same lock
    Ask   → T           a function of the caller
    Emit  → None        one item for the loop of the caller

If a request fails, the driver raises `Broken` at the step. Answers that stream are closed when the flow ends.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# for a signature with one of these types, `make gen` writes the types of the comments: for `sync`, and for `aio`
Reply: TypeAlias = R | Awaitable[R]  # R, or Awaitable[R]
Maybe: TypeAlias = R | Awaitable[R]  # R, or R | Awaitable[R]
Source: TypeAlias = Iterable[R] | AsyncIterable[R]  # Iterable[R], or Iterable[R] | AsyncIterable[R]


class Broken(Exception):
    """A request without a complete answer. `timed_out`: true if the time of the request was over."""

    def __init__(self, reason: str, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is sent in parts. `encode`: returns the bytes of an item with its number."""

    items: Source[Any]
    encode: Callable[[int, Any], bytes]
    first: int = 1


@dataclass(frozen=True, slots=True)
class Send:
    """`seconds`: the timeout for the whole answer, or for each part of a streamed answer."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | Upload | None
    seconds: float
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """`headers`: the headers, with names in lower case. `content`: the body, empty if the answer is streamed."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    stream: Any = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_json(self) -> bool:
        media = self.headers.get("content-type", "").partition(";")[0].strip()
        return media.endswith(("/json", "+json"))


@dataclass(frozen=True, slots=True)
class Read:
    answer: Answer


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Alone(Generic[T]):
    """`lock`: the name of the driver's lock that the flow needs."""

    lock: str
    flow: Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Ask:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Emit(Generic[T]):
    value: T


Step: TypeAlias = Send | Read | Sleep | Alone[Any] | Ask | Emit[Any]
Flow: TypeAlias = Generator[Step, Any, T]
# a flow that emits items of type T; the alias names only the type of the items
Items: TypeAlias = Generator[Step | Emit[T], Any, None]


def send(request: Send) -> Flow[Answer]:
    """Send a request. Raises: Broken."""
    answer: Answer = yield request
    return answer


def read(answer: Answer) -> Flow[bytes | None]:
    """Return the next bytes of an answer, or None at its end. Raises: Broken."""
    part: bytes | None = yield Read(answer)
    return part


def alone(lock: str, flow: Flow[T]) -> Flow[T]:
    """Run a flow while no other flow holds the lock."""
    result: T = yield Alone(lock, flow)
    return result


def ask(function: Callable[..., Reply[T]], *arguments: Any) -> Flow[T]:
    """Call a function of the caller."""
    result: T = yield Ask(function, arguments)
    return result
