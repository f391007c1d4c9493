"""The messages of the protocol as Structs, and the bytes of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, Literal, Union

import msgspec
from msgspec import UNSET, UnsetType

from bunbase.contracts.bundoc.live import MAX_HAVE, LiveQuery, NotLive
from bunbase.gateway.live.loose_json import loose_object
from bunbase.gateway.live.problems import UnknownMessage
from bunbase.pkg.errors import InvalidInput, Problem
from bunbase.pkg.json_bodies import fault_in

MAX_ID: Final = (1 << 31) - 1
MAX_TOKEN: Final = 8192
UNREADABLE: Final = (
    "This message cannot be read: a text in it holds half of a character (an unpaired surrogate such as \\ud83d), "
    "a number is out of range, or it is nested too deeply."
)
UNWATCHED: Final = ("cursor", "expand", "explain", "score", "highlight", "as")

Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]
Text = Annotated[str, msgspec.Meta(max_length=200)]


class Message(msgspec.Struct, frozen=True, tag_field="t", forbid_unknown_fields=True):
    """A message of a client. The tag of a message is the type."""


class Auth(Message, frozen=True, tag="auth"):
    """The sign-in. `resume`: the name of an earlier connection. Offered describes the other fields."""

    key: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN)] = ""
    token: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN)] = ""
    project: Text = ""
    resume: Text = ""
    explain: Annotated[str, msgspec.Meta(max_length=MAX_TOKEN)] = ""


class Pong(Message, frozen=True, tag="pong"):
    pass


class WatchedQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A query of a client.

    The struct also has members that a watched query cannot have, so that the session can refuse these members.
    """

    collection: str
    where: msgspec.Raw | UnsetType = UNSET
    sort: tuple[str, ...] = ()
    limit: int | None = None
    select: tuple[str, ...] | None = None
    count: bool = False
    cursor: Any = UNSET
    expand: Any = UNSET
    explain: Any = UNSET
    score: Any = UNSET
    highlight: Any = UNSET
    as_: Any = msgspec.field(name="as", default=UNSET)


class WatchedDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    collection: str
    id: str
    select: tuple[str, ...] | None = None


class WatchMessage(Message, frozen=True, tag="watch"):
    """Begins a watch. `why`: the reason to watch again.

    Either a difference was lost (`gap`), or the client's result was wrong (`check`).
    """

    id: Id
    query: WatchedQuery | UnsetType = UNSET
    doc: WatchedDocument | UnsetType = UNSET
    at: Text = ""
    g: Text = ""
    have: Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_HAVE)] = ()
    why: Literal["", "gap", "check"] = ""


class Unwatch(Message, frozen=True, tag="unwatch"):
    id: Id


class Sync(Message, frozen=True, tag="sync"):
    id: Id
    at: Text


class Numbered(msgspec.Struct, frozen=True):
    id: Any = None


class NotAMessage(Exception):
    """The text is not a JSON object. The client is faulty, so the connection is closed."""


class Unreadable(Exception):
    """The message is wrong. `id`: the id that the client sent; None if it cannot be read."""

    def __init__(self, id: int | None, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.id = id
        self.problem = problem


def decoder_of(kinds: Iterable[type[Message]]) -> Callable[[bytes], Message]:
    """Return a function that decodes the messages `kinds`. The function raises NotAMessage and Unreadable."""
    known = tuple(kinds)
    decode: Callable[[bytes], Message] = msgspec.json.Decoder(Union[known]).decode  # noqa: UP007  made at run time

    def decoded(sent: bytes) -> Message:
        try:
            return decode(sent)
        except msgspec.ValidationError as error:
            raise _unreadable(sent, error, known) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _unsound(sent) from None

    return decoded


def live_query(message: WatchMessage) -> LiveQuery:
    """Return the query of a watch. Raises: InvalidInput, NotLive."""
    doc, query = message.doc, message.query
    resume: dict[str, Any] = {"at": message.at, "v": message.g, "have": message.have}
    if isinstance(doc, WatchedDocument) and isinstance(query, UnsetType):
        return LiveQuery(doc.collection, id=doc.id, select=doc.select, **resume)
    if not isinstance(query, WatchedQuery) or not isinstance(doc, UnsetType):
        raise InvalidInput.at("", "Send either query or doc.")
    for name in UNWATCHED:
        if getattr(query, "as_" if name == "as" else name) is not UNSET:
            raise NotLive(f"A live query has no {name}: leave it out.", path=f"/query/{name}")
    where = None if isinstance(query.where, UnsetType) else bytes(query.where)
    return LiveQuery(query.collection, where, query.sort, query.limit, query.select, query.count, **resume)


def ok(id: int) -> bytes:
    return b'{"t":"ok","id":%d}' % id


def at(epoch: str, seq: int) -> bytes:
    return b'{"t":"at","at":"%b.%d"}' % (epoch.encode(), seq)


def encoded(kind: str, **members: Any) -> bytes:
    """Return a message of this type. The message leaves out members that are UNSET."""
    return msgspec.json.encode({"t": kind} | {name: value for name, value in members.items() if value is not UNSET})


def refusal(kind: str, id: int | None, problem: Problem | dict[str, Any]) -> bytes:
    """Return a message `error` or `end`, depending on `kind`."""
    return encoded(kind, id=id, problem=problem.body() if isinstance(problem, Problem) else problem)


def _unreadable(sent: bytes, error: msgspec.ValidationError, known: tuple[type[Message], ...]) -> Exception:
    try:
        found = msgspec.json.decode(sent, type=Numbered).id
    except (msgspec.DecodeError, RecursionError):  # A ValidationError is a DecodeError, too.
        return _unsound(sent)
    pointer, message = fault_in(error)
    if pointer == "/t":
        tags = ", ".join(str(kind.__struct_config__.tag) for kind in known)
        return Unreadable(_id_in(found), UnknownMessage(f"The member t of a message is one of {tags}."))
    return Unreadable(_id_in(found), InvalidInput.at(pointer, message, f"{pointer}: {message}" if pointer else message))


def _unsound(sent: bytes) -> Exception:
    """Return the error of a text that the decoder cannot read to its end."""
    found = loose_object(sent)
    return NotAMessage() if found is None else Unreadable(_id_in(found.get("id")), InvalidInput.at("", UNREADABLE))


def _id_in(found: Any) -> int | None:
    return found if type(found) is int and 1 <= found <= MAX_ID else None
