"""Parse `where`, a filter in MongoDB's language. Unknown parts are never ignored: each is refused with its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn

import msgspec

from bunbase.bundoc.query.commit_patterns import CommitPatterns
from bunbase.bundoc.query.filters import (
    EVERYTHING,
    NOTHING,
    And,
    Compare,
    Element,
    Exists,
    Filter,
    HasType,
    IsNull,
    Matches,
    Not,
    Op,
    Or,
    Path,
    Remainder,
    Same,
    Size,
    StartsWith,
    number,
    whole,
)
from bunbase.bundoc.query.order import key
from bunbase.contracts.bundoc.problems import InvalidQuery
from bunbase.pkg import effort
from bunbase.pkg.patterns import (
    FLAGS,
    MAX_PATTERN,
    MAX_SENT_BYTES,
    InvalidPattern,
    Pattern,
    literal_beginning,
    with_flags,
)
from bunbase.pkg.patterns import MAX_BYTES as MAX_BYTES_KEPT

MAX_LEVELS: Final = 16
MAX_TERMS: Final = 200  # A filter has at most this many operators and listed values together.
# A filter has at most this many nested filters, and values inside the objects and lists of comparisons.
MAX_NODES: Final = 1000
# A filter has at most this many patterns, because each pattern reads every string at its path.
MAX_PATTERNS: Final = 10
# All compiled patterns of a query have at most this many instructions together, which compile in 3 ms.
MAX_PROGRAM: Final = 8000
MAX_PATH_PARTS: Final = 8
MAX_PATH_CHARACTERS: Final = 500
MAX_BYTES: Final = 64 << 10

# Parsing one of these costs as much as reading this many bytes of JSON.
BYTES_FOR_A_NODE: Final = 150
BYTES_FOR_AN_INSTRUCTION: Final = 20

SYSTEM: Final = frozenset({"_id", "_rev", "_created", "_updated"})
# The types of `$type`, by their names in MongoDB and by their numbers in BSON.
NUMERIC: Final = ("int", "long", "double")
TYPES: Final[dict[str | float, tuple[str, ...]]] = {
    "string": ("string",), 2: ("string",), "number": NUMERIC, "int": ("int",), 16: ("int",), "long": ("long",),
    18: ("long",), "double": ("double",), 1: ("double",), "object": ("object",), 3: ("object",), "array": ("array",),
    4: ("array",), "bool": ("bool",), 8: ("bool",), "null": ("null",), 10: ("null",),
}  # fmt: skip
MAX_TYPES: Final = 20
COMPARISONS: Final[dict[str, Op]] = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def parse_where(text: bytes | None, at: str = "/where", kept: bool = False) -> Filter:
    """Parse a filter without `$search`.

    `kept`: true if the filter belongs to an existing index, and was checked before. Raises: InvalidQuery.
    """
    return EVERYTHING if text is None else Reader(kept).document(decode_where(text, at), at, 1)


def decode_where(text: bytes, at: str = "/where") -> Any:
    """Decode the JSON of a filter. Raises: InvalidQuery."""
    if len(text) > MAX_BYTES:
        refuse(at, f"A filter has at most {MAX_BYTES} bytes.")
    try:
        effort.note(len(text))
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refuse(at, f'{at.rpartition("/")[2]} must be a JSON object, such as {{"status":"done"}}.')


def parse_path(dotted: Any, at: str) -> Path:
    """Parse a dotted path, such as `address.city`. Raises: InvalidQuery."""
    if not isinstance(dotted, str) or not dotted or len(dotted) > MAX_PATH_CHARACTERS:
        refuse(at, f"A path has 1 to {MAX_PATH_CHARACTERS} characters, such as address.city.")
    parts = tuple(dotted.split("."))
    if len(parts) > MAX_PATH_PARTS or not all(parts):
        refuse(at, f"A path has at most {MAX_PATH_PARTS} parts, and no part is empty.")
    if (name := dotted.lstrip("$")) and name != dotted:  # MongoDB writes a field in an aggregate as "$price".
        refuse(at, f'The parts of a path cannot begin with $. Write the field without it: "{name}".')
    if any(part.startswith("$") or '"' in part or "\\" in part or not part.isprintable() for part in parts):
        refuse(at, "The parts of a path cannot begin with $ or contain quotes, backslashes or control characters.")
    if parts[0].startswith("_") and (parts[0] not in SYSTEM or len(parts) > 1):
        refuse(at, f"The only system fields are {', '.join(sorted(SYSTEM))}.")
    return parts


def refuse(at: str, why: str) -> NoReturn:
    raise InvalidQuery(why, path=at)


class Reader:
    """Parses one filter and counts its terms."""

    def __init__(self, kept: bool = False, commit: CommitPatterns | None = None) -> None:
        """`kept`: true if the filter belongs to an existing index, whose creation has checked the filter.

        `commit`: the patterns of the commit to which the filter belongs.
        """
        self.kept = kept
        self.commit = commit or CommitPatterns()
        self.terms = 0
        self.nodes = 0
        self.patterns = 0
        self.program = 0
        self.operators: dict[str, Callable[[Path, Any, str, int], Filter]] = {
            "$eq": self._equal,
            "$ne": lambda path, value, at, level: Not(self._equal(path, value, at, level)),
            "$in": self._in,
            "$nin": lambda path, value, at, level: Not(self._in(path, value, at, level)),
            "$all": self._all,
            "$exists": self._exists,
            "$size": self._size,
            "$type": self._type,
            "$mod": self._mod,
            "$startsWith": self._starts_with,
            "$regex": self._regex,
            "$not": self._not,
            "$elemMatch": self._element,
        }

    def document(self, where: Any, at: str, level: int) -> Filter:
        """Parse a filter on a whole document or on an object inside a document."""
        if not isinstance(where, dict):
            refuse(at, "A filter must be an object.")
        self._deeper(at, level)
        self._node(at)
        return _all_of([self._entry(name, value, f"{at}/{_escaped(name)}", level) for name, value in where.items()])

    def _entry(self, name: str, value: Any, at: str, level: int) -> Filter:
        match name:
            case "$and":
                return And(self._several(value, at, level))
            case "$or":
                return Or(self._several(value, at, level))
            case "$nor":
                return Not(Or(self._several(value, at, level)))
            case "$search":
                refuse(at, "$search is allowed only once, at the top level of the filter of a query.")
            case _ if name.startswith("$"):
                refuse(at, f"The operator {name} is not known here; a filter has fields, $and, $or and $nor.")
            case _:
                path = parse_path(name, at)
                if not _has_operators(value):
                    return self._equal(path, value, at, level)
                return self.field(path, value, at, level)

    def _several(self, value: Any, at: str, level: int) -> tuple[Filter, ...]:
        if not isinstance(value, list) or not value:
            refuse(at, "This must be a list of at least one filter.")
        return tuple(self.document(part, f"{at}/{number}", level + 1) for number, part in enumerate(value))

    def field(self, path: Path, operators: dict[str, Any], at: str, level: int) -> Filter:
        """Parse the operators of a field."""
        self._deeper(at, level)
        self._node(at)
        operators = _joined_options(operators, at)
        return _all_of([self._operator(path, name, value, f"{at}/{name}", level) for name, value in operators.items()])

    def _operator(self, path: Path, name: str, value: Any, at: str, level: int) -> Filter:
        if name in COMPARISONS:
            return self._compare(path, COMPARISONS[name], value, at)
        if name not in self.operators:
            known = " ".join(sorted([*self.operators, *COMPARISONS, "$options"]))
            refuse(at, f"The operator {name} is not known; the operators of a field are {known}.")
        return self.operators[name](path, value, at, level)

    def _compare(self, path: Path, op: Op, value: Any, at: str) -> Filter:
        self._count(at)
        if isinstance(value, bool | str):
            return Compare(path, op, value)
        if isinstance(value, int | float):
            return Compare(path, op, number(value))
        refuse(at, "The value must be a string, a number, true or false.")

    def _equal(self, path: Path, value: Any, at: str, level: int) -> Filter:
        if value is None:
            self._count(at)
            return IsNull(path)
        if isinstance(value, dict | list):
            self._count(at)
            self._values(value, at)
            return Same(path, key(value))
        return self._compare(path, "=", value, at)

    def _in(self, path: Path, value: Any, at: str, level: int) -> Filter:
        return Or(self._equals(path, value, at, level))

    def _all(self, path: Path, value: Any, at: str, level: int) -> Filter:
        wanted = self._equals(path, value, at, level)
        return And(wanted) if wanted else NOTHING

    def _equals(self, path: Path, value: Any, at: str, level: int) -> tuple[Filter, ...]:
        if not isinstance(value, list):
            refuse(at, "This must be a list of values.")
        return tuple(self._listed(path, one, f"{at}/{number}", level) for number, one in enumerate(value))

    def _listed(self, path: Path, value: Any, at: str, level: int) -> Filter:
        """Parse one value of a list: a value to equal, or a pattern to match."""
        if not _has_operators(value):
            return self._equal(path, value, at, level)
        if value.keys() - {"$regex", "$options"}:
            refuse(at, "The values of this list cannot contain operators other than $regex and $options.")
        return self._regex(path, _joined_options(value, at)["$regex"], f"{at}/$regex", level)

    def _exists(self, path: Path, value: Any, at: str, level: int) -> Filter:
        self._count(at)
        if not isinstance(value, bool) and whole(value) not in (0, 1):
            refuse(at, "$exists takes true or false, or 1 or 0.")
        return Exists(path) if value else Not(Exists(path))

    def _size(self, path: Path, value: Any, at: str, level: int) -> Filter:
        self._count(at)
        length = whole(value)
        if length is None or not 0 <= length < 1 << 31:
            refuse(at, "$size takes the number of elements.")
        return Size(path, length)

    def _type(self, path: Path, value: Any, at: str, level: int) -> Filter:
        self._count(at)
        names = value if isinstance(value, list) else [value]
        if not 1 <= len(names) <= MAX_TYPES:
            refuse(at, f"$type takes the name of a type, or a list of 1 to {MAX_TYPES} names.")
        types: dict[str, None] = {}
        for name in names:
            if not isinstance(name, str | int | float) or isinstance(name, bool) or name not in TYPES:
                refuse(at, f"The types of JSON are {', '.join(one for one in TYPES if isinstance(one, str))}.")
            types |= dict.fromkeys(TYPES[name])
        return HasType(path, tuple(types))

    def _mod(self, path: Path, value: Any, at: str, level: int) -> Filter:
        self._count(at)
        numbers = [whole(one) for one in value] if isinstance(value, list) else []
        divisor, remainder = numbers if len(numbers) == 2 else (None, None)
        if divisor is None or remainder is None:
            refuse(at, "$mod takes a list of two integers: the divisor and the remainder.")
        if divisor == 0:
            refuse(at, "The divisor of $mod cannot be 0.")
        return Remainder(path, divisor, remainder)

    def _starts_with(self, path: Path, value: Any, at: str, level: int) -> Filter:
        self._count(at)
        if not isinstance(value, str):
            refuse(at, "$startsWith takes a string.")
        return StartsWith(path, value)

    def _regex(self, path: Path, value: Any, at: str, level: int) -> Filter:
        """Parse `$regex`; `value` is the pattern, or a pair of the pattern and its options."""
        self._count(at)
        text, flags = value if isinstance(value, tuple) else (value, "")
        if not isinstance(text, str):
            refuse(at, "$regex takes a pattern as a string.")
        if len(text) > MAX_PATTERN:
            refuse(at, f"A pattern has at most {MAX_PATTERN} characters.")
        self.patterns += 1
        if self.patterns > MAX_PATTERNS:
            refuse(at, f"A filter has at most {MAX_PATTERNS} patterns.")
        most = MAX_BYTES_KEPT if self.kept else MAX_SENT_BYTES
        try:
            self.commit.compiled(text, most)
            self._compiled(self.commit.compiled(flagged := with_flags(text, flags), most), at)
        except InvalidPattern as refused:
            refuse(at, f"RE2, which matches in linear time, does not accept this pattern: {refused}.")
        return Matches(path, flagged, "" if set(flags) & {"i", "m"} else literal_beginning(text))

    def _not(self, path: Path, value: Any, at: str, level: int) -> Filter:
        if not _has_operators(value):
            refuse(at, '$not takes operators, such as {"$gt":5}.')
        return Not(self.field(path, value, at, level + 1))

    def _element(self, path: Path, value: Any, at: str, level: int) -> Filter:
        self._count(at)
        if tests_value(value):
            return Element(path, self.field((), value, at, level + 1), objects=False)
        return Element(path, self.document(value, at, level + 1), objects=True)

    def _deeper(self, at: str, level: int) -> None:
        if level > MAX_LEVELS:
            refuse(at, f"A filter can have at most {MAX_LEVELS} levels of nesting.")

    def _compiled(self, found: Pattern, at: str) -> None:
        self.program += found.size
        effort.note(found.size * BYTES_FOR_AN_INSTRUCTION)
        if self.program > MAX_PROGRAM and not self.kept:
            why = f"The patterns of this filter compile to more than {MAX_PROGRAM} instructions: use fewer repetitions."
            refuse(at, why)
        if self.commit.too_large:
            refuse(at, "The patterns of this commit take too long to compile in total: split it into several commits.")

    def _node(self, at: str, nodes: int = 1) -> None:
        self.nodes += nodes
        effort.note(nodes * BYTES_FOR_A_NODE)
        if self.nodes > MAX_NODES and not self.kept:
            refuse(at, f"A filter may have at most {MAX_NODES} parts and values in total.")

    def _values(self, value: Any, at: str) -> None:
        """Count the values inside a value. The limit is checked before the key is built."""
        if isinstance(value, dict | list):
            self._node(at, len(value))
            for inner in value.values() if isinstance(value, dict) else value:
                self._values(inner, at)

    def _count(self, at: str) -> None:
        self.terms += 1
        effort.note(BYTES_FOR_A_NODE)
        if self.terms > MAX_TERMS:
            refuse(at, f"A filter has at most {MAX_TERMS} terms.")


def _joined_options(operators: dict[str, Any], at: str) -> dict[str, Any]:
    """Return the operators, with `$options` as a part of `$regex`."""
    if "$options" not in operators:
        return operators
    flags = operators["$options"]
    if "$regex" not in operators:
        refuse(f"{at}/$options", "$options needs $regex in the same object.")
    if not isinstance(flags, str) or set(flags) - set(FLAGS) or len(set(flags)) < len(flags):
        refuse(
            f"{at}/$options",
            "$options may have i (ignore case), m (lines) and s (. matches line ends), each once; RE2 knows no others.",
        )
    rest = {name: value for name, value in operators.items() if name != "$options"}
    return {**rest, "$regex": (operators["$regex"], flags)}


def _all_of(parts: list[Filter]) -> Filter:
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _has_operators(value: Any) -> bool:
    return isinstance(value, dict) and any(name.startswith("$") for name in value)


def tests_value(where: Any) -> bool:
    """True if a filter on an element has operators for the element itself, and not for its fields."""
    return _has_operators(where) and not where.keys() & {"$and", "$or", "$nor"}


def _escaped(name: str) -> str:
    """Return the name with the escapes that a JSON Pointer needs (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
