"""The stored definition of a collection, and its compiled form with rules, schema and references."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.schema.checking import check_schema
from bunbase.bundoc.schema.defaults import Defaults, check_defaults, defaults_of
from bunbase.bundoc.schema.references import Reference, references_of
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.contracts.bundoc.collections import BeforeWrite, CollectionSpec, Rules
from bunbase.pkg.control_characters import holds_control
from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.rules.check import check_indices

T = TypeVar("T")

LOOP_CHARACTERS: Final = 300  # Rules of this length compile in 3 ms, because a character takes 10 µs.


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stored definition of a collection.

    `expires`: the dotted path of the field that holds the time at which a document expires.
    `retiming`: true until Bundoc has read the expiry of all stored documents.
    `before_write`: the function that decides about each write.
    `before_images`: true if the change log keeps each document as it was before a change.
    `max_scan`: the number of documents that a query of a caller bound by rules may examine; None for the setting of the
    server.
    """

    rules: Rules | None = None
    expires: str | None = None
    retiming: bool = False
    schema: dict[str, Any] | None = None
    strict: bool = False
    before_write: BeforeWrite | None = None
    before_images: bool = False
    max_scan: int | None = None


class Terms:
    """A compiled definition.

    Bundoc makes Terms when it reads or changes a definition, and keeps them until the next change.

    The first thread that needs rules, schema or references compiles them; two threads may compile them twice. This
    class does not use `functools.cached_property`, because this decorator holds a lock in Python 3.11, so the event
    loop could wait for a thread that compiles.
    """

    def __init__(self, definition: Definition, absent: bool = False) -> None:
        """`absent`: true for the terms of a collection that does not exist."""
        self.definition = definition
        self.absent = absent
        self._made: dict[str, Any] = {}
        self._quick = False

    @property
    def rules(self) -> RuleSet:
        """The compiled rules. Raises: InvalidRule."""
        # Every read by a caller bound by rules needs the rules, so they are cached.
        known: RuleSet | None = self._made.get("rules")
        return known or self._kept("rules", lambda: RuleSet(self.definition.rules or Rules(), self.absent))

    @property
    def schema(self) -> DocumentSchema | None:
        """The compiled schema, None if the collection has no schema. Raises: InvalidSchema."""
        known = self.definition
        return self._kept(
            "schema", lambda: None if known.schema is None else DocumentSchema(known.schema, known.strict)
        )

    @property
    def defaults(self) -> Defaults | None:
        """The defaults of the schema, None if the schema has no defaults."""
        return self._kept("defaults", lambda: defaults_of(self.definition.schema or {}))

    @property
    def references(self) -> tuple[Reference, ...]:
        return self._kept("references", lambda: references_of(self.definition.schema or {}))

    @property
    def quick(self) -> bool:
        """True if rules and references are already compiled, or are short enough to compile in the event loop."""
        if self._quick:
            return True
        known = self.definition
        short = "rules" in self._made or known.rules is None or soon_made(known.rules)
        self._quick = short and ("references" in self._made or known.schema is None)
        return self._quick

    def prepare(self) -> None:
        """Compile rules and references. Call this in a thread. Raises: InvalidRule."""
        _ = self.rules, self.references

    def _kept(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made


def soon_made(rules: Rules) -> bool:
    """True if the rules are short and have no patterns. One pattern may take milliseconds to compile."""
    named = [rules.list, rules.get, rules.create, rules.update, rules.delete, *rules.hidden.values()]
    sources = [source for source in named if source is not None]
    return sum(map(len, sources)) <= LOOP_CHARACTERS and not any("matches" in source for source in sources)


NO_TERMS: Final = Terms(Definition())
ABSENT: Final = Terms(Definition(), absent=True)


def altered(before: Definition, spec: CollectionSpec) -> Definition:
    """Return the definition changed by `spec`; fields that `spec` leaves out stay the same."""
    expires = before.expires if spec.expires is UNSET else spec.expires
    return Definition(
        rules=before.rules if spec.rules is UNSET else spec.rules,
        expires=expires,
        retiming=expires is not None and (before.retiming or expires != before.expires),
        schema=before.schema if spec.schema is UNSET else spec.schema,
        strict=before.strict if spec.strict is UNSET else spec.strict,
        before_write=before.before_write if spec.before_write is UNSET else spec.before_write,
        before_images=before.before_images if spec.before_images is UNSET else spec.before_images,
        max_scan=before.max_scan if spec.max_scan is UNSET else spec.max_scan,
    )


def schema_of(terms: Terms | None) -> CollectionSpec:
    """Return the specification that restores the current schema of a collection."""
    known = (terms or NO_TERMS).definition
    return CollectionSpec(schema=known.schema, strict=known.strict)


def check_spec(spec: CollectionSpec) -> None:
    """Check the rules, schema and names of a specification. Raises: InvalidRule, InvalidSchema, InvalidInput."""
    terms = Terms(altered(Definition(), spec))
    RuleSet(terms.definition.rules or Rules(), new=True)
    check_terms(terms)
    _check_names(terms)


def check_terms(terms: Terms) -> None:
    """Check that rules and schema can be compiled. Raises: InvalidRule, InvalidSchema."""
    _ = terms.rules
    if terms.definition.schema is not None:
        check_schema(terms.definition.schema)
        _ = terms.schema
        check_defaults(terms.definition.schema)


def _check_names(terms: Terms) -> None:
    """Refuse paths of fields that no document can have.

    Stored definitions are not checked, because they must stay readable.

    Raises: InvalidInput, InvalidRule.
    """
    known = terms.definition
    hidden = known.rules.hidden if known.rules else {}
    paths = [*((path, f"/rules/hidden/{path}") for path in hidden), (known.expires or "", "/expires")]
    for path, at in paths:
        if holds_control(path):
            raise InvalidInput.at(at, "Names of fields cannot contain control characters.")
    for rule in (*terms.rules.rules.values(), *terms.rules.hidden.values()):
        check_indices(rule.source, rule.tree)


def read_definition(text: str) -> Terms:
    return NO_TERMS if text == "{}" else Terms(msgspec.json.decode(text, type=Definition))


def written_definition(definition: Definition) -> str:
    return msgspec.json.encode(definition).decode()
