"""Compile the syntax tree of a rule to a closure: a Python function that evaluates the rule for one document.

The life of one rule:

1. When the rule is compiled, `closure` visits its tree once and returns nested functions, one for each node.
2. For each document, `Inputs.begin` sets the step counter, and then the outermost function is called.
3. Work that grows with the data (loops, long strings, patterns) calls `Inputs.spend` before it starts. Without this, a
   short rule such as `doc.tags.all(a, doc.tags.all(b, a != b))` could block the event loop for seconds.
4. An error of CEL is raised as `Failed`. `&&` and `||` ignore the error if another part decides the result. Otherwise
   the rule denies access.

An interpreter that visits the tree for every document was rejected. Such an interpreter would be simpler, but slower,
because it would select the code for each node again for every document
(docs/decisions/0011-our-own-parser-for-rules.md).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from bunbase.pkg.patterns import pattern
from bunbase.pkg.rules import values
from bunbase.pkg.rules.functions import FUNCTIONS
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.syntax import (
    Both,
    Call,
    Choice,
    Either,
    Field,
    Has,
    Index,
    ListOf,
    Literal,
    Loop,
    MapOf,
    Name,
    Negative,
    Node,
    Not,
    Operation,
    counted,
)
from bunbase.pkg.rules.values import (
    CHARACTERS_FOR_A_STEP,
    Failed,
    FieldMissing,
    calculated,
    compared,
    contained,
    same,
    type_name,
)

Evaluate = Callable[[Inputs], Any]
Watch = Callable[[Node, Evaluate], Evaluate]

COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": operator.contains,
}
CHANGED: Final = {"doc", "next"}
MISSING: Final = object()  # A missing field on one side of `next.field == doc.field` has this value.
VARIABLES: Final = ("auth", "doc", "next", "now", "request")
# Each element of a loop takes this many steps, in addition to one step for each node of its body.
STEPS_FOR_A_TURN: Final = 10
STEPS_FOR_A_TIME: Final = 30  # Reading a timestamp or duration takes 3 µs.
# This many instructions of a pattern's program take one step, for every byte of the text.
INSTRUCTIONS_FOR_A_STEP: Final = 32


def closure(node: Node, watch: Watch | None = None) -> Evaluate:
    """Return the function that evaluates the node. This function raises Failed for an error of CEL.

    `watch`: a function that gets every node and its closure, and returns the closure to use instead. Traces and
    coverage use it.
    """
    evaluate = _closure(node, watch)
    return evaluate if watch is None else watch(node, evaluate)


def _closure(node: Node, watch: Watch | None) -> Evaluate:
    match node:
        case Literal(value=value):
            return lambda inputs: value
        case Name(name=name):
            return operator.attrgetter(name) if name in VARIABLES else lambda inputs: inputs.bound[name]
        case Field(of=of, name=name):
            return _field(closure(of, watch), name)
        case Has(of=of, name=name):
            return _has(closure(of, watch), name)
        case Index(of=of, at=at):
            return _index(closure(of, watch), closure(at, watch))
        case Not(of=of):
            return _not(closure(of, watch))
        case Negative(of=of):
            inner = closure(of, watch)
            return lambda inputs: values.negative(inner(inputs))
        case Both(of=parts):
            return _absorbing([closure(part, watch) for part in parts], False)
        case Either(of=parts):
            return _absorbing([closure(part, watch) for part in parts], True)
        case Operation(sign="==" | "!=" as sign, left=left, right=right) if {root_of(left), root_of(right)} == CHANGED:
            return _unchanged(sign, closure(left, watch), closure(right, watch))
        case Operation(sign=sign, left=left, right=right):
            return _operation(sign, closure(left, watch), closure(right, watch))
        case Choice(when=when, then=then, otherwise=otherwise):
            return _choice(closure(when, watch), closure(then, watch), closure(otherwise, watch))
        case Call(name=name, of=arguments):
            return _call(name, [closure(argument, watch) for argument in arguments])
        case Loop():
            return _loop(node, watch)
        case ListOf(of=parts):
            items = [closure(part, watch) for part in parts]
            return lambda inputs: [item(inputs) for item in items]
        case MapOf(of=entries):
            return _map([(closure(key, watch), closure(value, watch)) for key, value in entries])
        case _:
            raise AssertionError(node)


def _field(of: Evaluate, name: str) -> Evaluate:
    def field(inputs: Inputs) -> Any:
        value = of(inputs)
        if value.__class__ is dict and name in value:
            return value[name]
        if isinstance(value, dict):
            raise FieldMissing(f"there is no field {name}")
        raise Failed(f"{type_name(value)} has no fields")

    return field


def _has(of: Evaluate, name: str) -> Evaluate:
    def has(inputs: Inputs) -> bool:
        value = of(inputs)
        if value.__class__ is dict:
            return name in value
        raise Failed(f"{type_name(value)} has no fields")

    return has


def _index(of: Evaluate, at: Evaluate) -> Evaluate:
    def index(inputs: Inputs) -> Any:
        value, place = of(inputs), at(inputs)
        if value.__class__ is list and place.__class__ in (int, float) and 0 <= place < len(value):
            if place.__class__ is float and not place.is_integer():
                raise Failed("the index of a list has no fraction")
            return value[int(place)]
        if value.__class__ is dict and place.__class__ is str:
            if place in value:
                return value[place]
            raise FieldMissing(f"there is no field {place}")
        raise Failed(f"{type_name(value)} has nothing there")

    return index


def _not(of: Evaluate) -> Evaluate:
    def negation(inputs: Inputs) -> bool:
        return not _truth(of(inputs))

    return negation


def _absorbing(parts: list[Evaluate], decisive: bool) -> Evaluate:
    """Return the closure of `&&` (`decisive` is False) or `||` (`decisive` is True).

    If any part has the decisive value, errors in other parts are ignored, even in earlier parts. CEL defines this, and
    the condition in SQL behaves in the same way: `NULL AND 0` is 0.
    """

    def connective(inputs: Inputs) -> bool:
        failed: Failed | None = None
        for part in parts:
            try:
                value: object = part(inputs)
            except Failed as error:
                failed = failed or error
                continue
            if value is decisive:
                return decisive
            if value is not (not decisive):
                failed = failed or Failed(f"{type_name(value)} is neither true nor false")
        if failed is not None:
            raise failed
        return not decisive

    return connective


def _operation(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign in COMPARISONS:
        compare = COMPARISONS[sign]
        return lambda inputs: compared(left(inputs), right(inputs), compare, inputs.spend)

    def equal(inputs: Inputs) -> bool:
        a, b = left(inputs), right(inputs)
        if a.__class__ is str:
            if len(a) > CHARACTERS_FOR_A_STEP:
                inputs.spend(len(a) // CHARACTERS_FOR_A_STEP)
            return b.__class__ is str and bool(a == b)
        return same(a, b, inputs.spend)

    match sign:
        case "==":
            return equal
        case "!=":
            return lambda inputs: not equal(inputs)
        case "in":
            return lambda inputs: contained(left(inputs), right(inputs), inputs.spend)
        case _:
            return lambda inputs: calculated(sign, left(inputs), right(inputs), inputs.spend)


def _unchanged(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """Return the closure of `next.field == doc.field`. A field that is missing in both equals itself.

    In CEL, a missing field is an error, and an error denies access. By this rule of CEL, `next.plan == doc.plan` would
    refuse each update of a document without a plan. A field that only one of the two documents has is a difference.
    """

    def equal(inputs: Inputs) -> bool:
        a, b = _or_missing(left, inputs), _or_missing(right, inputs)
        return a is b if MISSING in (a, b) else same(a, b, inputs.spend)

    return equal if sign == "==" else lambda inputs: not equal(inputs)


def _or_missing(of: Evaluate, inputs: Inputs) -> Any:
    try:
        return of(inputs)
    except FieldMissing:
        return MISSING


def root_of(node: Node) -> str | None:
    """Return the variable at the start of a path of constant names, such as `doc` for `doc.a["b"]`; else None."""
    below = False
    while not isinstance(node, Name):
        match node:
            case Field(of=of) | Index(of=of, at=Literal(value=str())):
                node, below = of, True
            case _:
                return None
    return node.name if below else None


def _choice(when: Evaluate, then: Evaluate, otherwise: Evaluate) -> Evaluate:
    def choice(inputs: Inputs) -> Any:
        return then(inputs) if _truth(when(inputs)) else otherwise(inputs)

    return choice


def _call(name: str, arguments: list[Evaluate]) -> Evaluate:
    first = arguments[0]
    match name:
        case "size":
            return lambda inputs: values.size(first(inputs))
        case "timestamp":
            return _timestamp(first)
        case "duration":
            return _duration(first)
        case "get":
            return _get(first, arguments[1])
        case "exists":
            second = arguments[1]
            return lambda inputs: inputs.finds(first(inputs), second(inputs))
        case "matches":
            return _matches(first, arguments[1])
        case _ if name in TESTS:
            return _test(TESTS[name], first, arguments[1])
        case _:
            return _function(FUNCTIONS[name], arguments)


def _function(function: Callable[..., Any], arguments: list[Evaluate]) -> Evaluate:
    if len(arguments) == 1:
        only = arguments[0]
        return lambda inputs: function(inputs.spend, only(inputs))
    return lambda inputs: function(inputs.spend, *[argument(inputs) for argument in arguments])


def _get(collection: Evaluate, id: Evaluate) -> Evaluate:
    def get(inputs: Inputs) -> dict[str, Any]:
        found = inputs.looked_up(collection(inputs), id(inputs))
        if found is None:
            raise Failed("there is no such document")
        return found

    return get


def _timestamp(of: Evaluate) -> Evaluate:
    def timestamp(inputs: Inputs) -> Any:
        inputs.spend(STEPS_FOR_A_TIME)
        return values.timestamp(of(inputs))

    return timestamp


def _duration(of: Evaluate) -> Evaluate:
    def duration(inputs: Inputs) -> Any:
        text = of(inputs)
        long = len(text) if text.__class__ is str else 0  # A longer text can have more parts to read.
        inputs.spend(STEPS_FOR_A_TIME + min(long, values.MAX_DURATION))
        return values.duration(text)

    return duration


def _test(test: Callable[[str, str], bool], of: Evaluate, part: Evaluate) -> Evaluate:
    def tested(inputs: Inputs) -> bool:
        text, sought = of(inputs), part(inputs)
        if text.__class__ is not str or sought.__class__ is not str:
            raise Failed(f"{type_name(text)} is not text" if text.__class__ is not str else "text is sought in text")
        inputs.spend(len(text) // CHARACTERS_FOR_A_STEP)
        return bool(test(text, sought))

    return tested


def _matches(of: Evaluate, part: Evaluate) -> Evaluate:
    """Return the closure of `matches`.

    The time of RE2 is linear in the text, but it also depends on the pattern: RE2 may run the whole program of the
    pattern at every byte.
    """

    def matches(inputs: Inputs) -> bool:
        text, sought = of(inputs), part(inputs)
        if text.__class__ is not str or sought.__class__ is not str:
            raise Failed(f"{type_name(text)} is not text" if text.__class__ is not str else "text is sought in text")
        inputs.spend(len(text) // CHARACTERS_FOR_A_STEP)
        searched, compiled = text.encode(), pattern(sought)
        inputs.spend(len(searched) * compiled.size // INSTRUCTIONS_FOR_A_STEP)
        return compiled.found_in(searched)

    return matches


def _map(entries: list[tuple[Evaluate, Evaluate]]) -> Evaluate:
    def made(inputs: Inputs) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in entries:
            name = key(inputs)
            if name.__class__ is not str or name in result:
                raise Failed("the keys of a map must be different strings")
            result[name] = value(inputs)
        return result

    return made


def _loop(node: Loop, watch: Watch | None) -> Evaluate:
    over, body = closure(node.over, watch), closure(node.body, watch)
    keep = closure(node.keep, watch) if node.keep is not None else None
    steps = STEPS_FOR_A_TURN + counted(node.body) + (counted(node.keep) if node.keep is not None else 0)

    def turns(inputs: Inputs, evaluate: Evaluate) -> list[Evaluate]:
        """Return one closure for each element.

        The closure calls `evaluate`, with the loop's name bound to the element.
        """
        elements = over(inputs)
        if elements.__class__ not in (list, dict):
            raise Failed(f"{node.macro} goes through a list or the keys of a map, not {type_name(elements)}")
        inputs.spend(len(elements) * steps)
        return [_bound(node.name, element, evaluate) for element in elements]

    match node.macro:
        case "all" | "exists":
            return lambda inputs: _absorbing(turns(inputs, body), node.macro == "exists")(inputs)
        case "exists_one":
            return lambda inputs: sum([_truth(turn(inputs)) for turn in turns(inputs, body)]) == 1
        case "filter":
            name = node.name
            kept = _kept(body, lambda inputs: inputs.bound[name])
        case _:
            kept = body if keep is None else _kept(keep, body)
    return lambda inputs: [value for turn in turns(inputs, kept) if (value := turn(inputs)) is not SKIPPED]


SKIPPED: Final = object()


def _kept(keep: Evaluate, body: Evaluate) -> Evaluate:
    return lambda inputs: body(inputs) if _truth(keep(inputs)) else SKIPPED


def _bound(name: str, element: Any, evaluate: Evaluate) -> Evaluate:
    def turn(inputs: Inputs) -> Any:
        outer = inputs.bound
        inputs.bound = {**outer, name: element}
        try:
            return evaluate(inputs)
        finally:
            inputs.bound = outer

    return turn


def _truth(value: Any) -> bool:
    if value is True:
        return True
    if value is False:
        return False
    raise Failed(f"{type_name(value)} is neither true nor false")
