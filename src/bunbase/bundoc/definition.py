"""What holds for the documents of a collection: as it is kept, and ready to be applied."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import msgspec
from msgspec import UNSET

from bunbase.bundoc.rules.ruleset import RuleSet
from bunbase.contracts.bundoc import CollectionSpec, Rules


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """`expires`: the dotted path of the time at which a document ends. `retiming`: not all documents were asked yet."""

    rules: Rules | None = None
    expires: str | None = None
    retiming: bool = False


class Terms:
    """A definition at work: made when it is read or altered, kept until it is altered again."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition

    @cached_property
    def rules(self) -> RuleSet:
        """Raises: InvalidRule."""
        return RuleSet(self.definition.rules or Rules())


NO_TERMS: Final = Terms(Definition())


def altered(before: Definition, spec: CollectionSpec) -> Definition:
    """Give the definition with what `spec` says in place of what it said before."""
    expires = before.expires if spec.expires is UNSET else spec.expires
    return Definition(
        rules=before.rules if spec.rules is UNSET else spec.rules,
        expires=expires,
        retiming=expires is not None and (before.retiming or expires != before.expires),
    )


def check_spec(spec: CollectionSpec) -> None:
    """Raises: InvalidRule."""
    _ = Terms(altered(Definition(), spec)).rules


def read_definition(text: str) -> Terms:
    return NO_TERMS if text == "{}" else Terms(msgspec.json.decode(text, type=Definition))


def written_definition(definition: Definition) -> str:
    return msgspec.json.encode(definition).decode()
