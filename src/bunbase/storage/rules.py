"""The rules of a bucket, compiled, and the check of a bucket's settings."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal, get_args

import msgspec

from bunbase.contracts.storage import MAX_CORS_TEXT, MAX_CORS_TEXTS, BucketSpec, CorsRule, InvalidBucket
from bunbase.pkg.rules.check import OBJECT, check
from bunbase.pkg.rules.closures import closure
from bunbase.pkg.rules.inputs import Inputs
from bunbase.pkg.rules.parser import parse
from bunbase.pkg.rules.pattern_total import PatternTotal
from bunbase.pkg.rules.refusal import InvalidRule, refused
from bunbase.pkg.rules.syntax import Call, Node, children, counted
from bunbase.pkg.rules.trace import Step, traced
from bunbase.pkg.rules.values import Failed
from bunbase.storage.serving.media_types import TOKEN, is_pattern
from bunbase.storage.store.buckets import BucketRow
from bunbase.storage.store.objects import ObjectRow

Operation = Literal["list", "get", "create", "update", "delete"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
LOOKUPS: Final = ("get", "exists")
KEPT: Final = 1000  # compiled buckets
HEADER_TEXT: Final = re.compile(r"[\x20-\x7e]*")
TOKEN_TEXT: Final = re.compile(TOKEN)


class ObjectRule:
    """A compiled rule."""

    def __init__(self, source: str, operation: Operation, patterns: PatternTotal) -> None:
        """`patterns`: the patterns of the other rules of the bucket. Raises: InvalidRule."""
        self.source = source
        tree = parse(source)
        patterns.add(source, tree)
        check(source, tree, OBJECT + operation)
        if operation == "list":
            _refuse_lookups(source, tree)
        self.evaluate = closure(tree)
        self.nodes = counted(tree)

    def decide(self, inputs: Inputs) -> bool:
        """Return the value of the rule. A rule that fails denies access. Raises: what `inputs.lookup` raises."""
        try:
            inputs.begin(self.nodes)
            return self.evaluate(inputs) is True
        except Failed:
            return False

    def trace(self, inputs: Inputs) -> list[Step]:
        try:
            inputs.begin(self.nodes)
        except Failed as failed:
            return [Step("the rule", error=str(failed))]
        return traced(self.source, parse(self.source), inputs)[1]


class OpenBucket(msgspec.Struct, frozen=True):
    """A bucket with its compiled rules."""

    id: int
    name: str
    spec: BucketSpec
    rules: dict[Operation, ObjectRule]
    created: int


def open_bucket(row: BucketRow) -> OpenBucket:
    spec, rules = _compiled(row.spec)
    return OpenBucket(row.id, row.name, spec, rules, row.created)


def checked_spec(spec: BucketSpec) -> str:
    """Return the settings of a bucket as they are stored. Raises: InvalidBucket, InvalidRule."""
    for number, pattern in enumerate(spec.mime):
        if not is_pattern(pattern):
            raise InvalidBucket(f"{pattern!r} is not a type such as image/png or image/*.", path=f"/mime/{number}")
    if not HEADER_TEXT.fullmatch(spec.cache_control):
        raise InvalidBucket("A header has only printable ASCII characters.", path="/cache_control")
    for number, rule in enumerate(spec.cors):
        _check_cors(rule, f"/cors/{number}")
    text = msgspec.json.encode(spec).decode()
    _compiled(text)
    return text


def _check_cors(rule: CorsRule, path: str) -> None:
    """Refuse texts that a header cannot have, and more of them than the contract allows: the S3 port reads rules from
    XML, which the contract has not checked. Raises: InvalidBucket.
    """
    for name in ("origins", "headers", "expose"):
        texts: tuple[str, ...] = getattr(rule, name)
        if len(texts) > MAX_CORS_TEXTS:
            raise InvalidBucket(f"A CORS rule has at most {MAX_CORS_TEXTS} of these texts.", path=f"{path}/{name}")
        for number, text in enumerate(texts):
            if len(text) > MAX_CORS_TEXT or not (TOKEN_TEXT if name == "expose" else HEADER_TEXT).fullmatch(text):
                allowed = "is the name of a header" if name == "expose" else "has only printable ASCII characters"
                raise InvalidBucket(
                    f"This text {allowed}, and at most {MAX_CORS_TEXT} characters.", path=f"{path}/{name}/{number}"
                )


def object_values(row: ObjectRow, bucket: str) -> dict[str, Any]:
    """Return the value of `object` in rules."""
    return {
        "key": row.key.decode(),
        "bucket": bucket,
        "size": row.size,
        "content_type": row.content_type,
        "owner": row.owner,
        "metadata": msgspec.json.decode(row.metadata),
        "created": time_of(row.created),
        "updated": time_of(row.updated),
    }


def time_of(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


@lru_cache(KEPT)
def _compiled(text: str) -> tuple[BucketSpec, dict[Operation, ObjectRule]]:
    """Raises: InvalidRule."""
    spec = msgspec.json.decode(text, type=BucketSpec)
    patterns, rules = PatternTotal(), {}
    for operation in OPERATIONS:
        if (source := getattr(spec.rules, operation)) is not None:
            try:
                rules[operation] = ObjectRule(source, operation, patterns)
            except InvalidRule as problem:
                problem.detail = f"Rule {operation}: {problem.detail}"
                problem.extra["rule"] = operation
                raise
    return spec, rules


def _refuse_lookups(source: str, tree: Node) -> None:
    """Refuse a list rule that would look up documents for each object of the list. Raises: InvalidRule."""
    if isinstance(tree, Call) and tree.name in LOOKUPS:
        raise refused(source, tree.start, "A list rule of a bucket cannot look up documents: it filters many objects.")
    for child in children(tree):
        _refuse_lookups(source, child)
