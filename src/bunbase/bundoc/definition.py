"""What holds for the documents of a collection: as it is kept, and ready to be applied."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import msgspec
from msgspec import UNSET

from bunbase.bundoc.documents import holds_control
from bunbase.bundoc.rules.check import check_indices
from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.bundoc.schema.checking import check_schema
from bunbase.bundoc.schema.references import Reference, references_of
from bunbase.bundoc.schema.validating import DocumentSchema
from bunbase.contracts.collections import CollectionSpec, Rules
from bunbase.pkg.errors import InvalidInput


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """`expires`: the dotted path of the time at which a document ends. `retiming`: not all documents were asked yet."""

    rules: Rules | None = None
    expires: str | None = None
    retiming: bool = False
    schema: dict[str, Any] | None = None
    strict: bool = False


class Terms:
    """A definition at work: made when it is read or altered, kept until it is altered again."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    @cached_property
    def rules(self) -> RuleSet:
        """Raises: InvalidRule."""
        return RuleSet(self.definition.rules or Rules())

    @cached_property
    def schema(self) -> DocumentSchema | None:
        """Raises: InvalidSchema."""
        known = self.definition
        return None if known.schema is None else DocumentSchema(known.schema, known.strict)

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        return references_of(self.definition.schema or {})


NO_TERMS: Final = Terms(Definition())


def altered(before: Definition, spec: CollectionSpec) -> Definition:
    """Give the definition with what `spec` says in place of what it said before."""
    expires = before.expires if spec.expires is UNSET else spec.expires
    return Definition(
        rules=before.rules if spec.rules is UNSET else spec.rules,
        expires=expires,
        retiming=expires is not None and (before.retiming or expires != before.expires),
        schema=before.schema if spec.schema is UNSET else spec.schema,
        strict=before.strict if spec.strict is UNSET else spec.strict,
    )


def schema_of(terms: Terms | None) -> CollectionSpec:
    """Give what makes a collection's schema what it was."""
    known = (terms or NO_TERMS).definition
    return CollectionSpec(schema=known.schema, strict=known.strict)


def check_spec(spec: CollectionSpec) -> None:
    """Raises: InvalidRule, InvalidSchema, InvalidInput."""
    terms = Terms(altered(Definition(), spec))
    check_terms(terms)
    _check_names(terms)


def check_terms(terms: Terms) -> None:
    """Raises: InvalidRule, InvalidSchema."""
    _ = terms.rules
    if terms.definition.schema is not None:
        check_schema(terms.definition.schema)
        _ = terms.schema


def _check_names(terms: Terms) -> None:
    """Refuse what names a field that no document can have. What is stored already is not asked: it must stay readable.

    Raises: InvalidInput, InvalidRule.
    """
    known = terms.definition
    hidden = known.rules.hidden if known.rules else {}
    paths = [*((path, f"/rules/hidden/{path}") for path in hidden), (known.expires or "", "/expires")]
    for path, at in paths:
        if holds_control(path):
            message = "Names of fields hold no control characters."
            raise InvalidInput(message, errors=[{"path": at, "message": message}])
    for rule in (*terms.rules.rules.values(), *terms.rules.hidden.values()):
        check_indices(rule.source, rule.tree)


def read_definition(text: str) -> Terms:
    return NO_TERMS if text == "{}" else Terms(msgspec.json.decode(text, type=Definition))


def written_definition(definition: Definition) -> str:
    return msgspec.json.encode(definition).decode()
