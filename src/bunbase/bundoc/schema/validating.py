"""Validate documents against a schema, which is compiled once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import jsonschema_rs
import msgspec

from bunbase.bundoc.schema.checking import MAX_MESSAGE, refused
from bunbase.bundoc.schema.closing import closed
from bunbase.bundoc.schema.cost import Effort
from bunbase.bundoc.schema.keywords import Schema, pointer
from bunbase.contracts.bundoc.problems import InvalidDocument
from bunbase.pkg import effort

MAX_ERRORS: Final = 20
# The library builds all violations at once, at 20 µs each. If a document has more values than this, only the first
# violation is reported.
MAX_VALUES: Final = 200

PATTERNS: Final = {"size_limit": 1 << 20, "dfa_size_limit": 1 << 20}
HIDDEN: Final = "the value"  # This text replaces contents of the document in messages.

EXACT: Final = 30  # Decimals between 10^-30 and 10^30 are exact, so 4.02 is a multiple of 0.01.


def _exactly(text: str) -> Decimal | float:
    """Return a Decimal. Return a float if the number has more than EXACT powers of ten.

    For a Decimal such as 1e-9999, the library would write out all digits, which takes milliseconds.
    """
    value = Decimal(text)
    return value if -EXACT <= value.adjusted() <= EXACT else float(text)


read_exactly: Final = msgspec.json.Decoder(float_hook=_exactly).decode

Violation = dict[str, str]

EXAMPLES: Final = {  # Values are often nearly right. For example, a "date-time" may lack its offset.
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "duration": "P1DT12H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "uri": "https://example.com/page",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
}
TOO_MUCH: Final = {
    "path": "",
    "message": "Checking this document would take too long: it has too many values, or too much text, for the "
    "alternatives and patterns of its schema. Split it, or simplify the schema.",
    "keyword": "effort",
}


class DocumentSchema:
    def __init__(self, schema: Schema, strict: bool) -> None:
        """Compile the schema. Raises: InvalidSchema."""
        effort.note(len(msgspec.json.encode(schema)) * effort.FOR_A_CHARACTER_OF_SCHEMAS)
        try:
            self.validator = jsonschema_rs.Draft202012Validator(
                closed(schema) if strict else schema,
                validate_formats=True,
                ignore_unknown_formats=False,
                offline=True,
                mask=HIDDEN,
                pattern_options=jsonschema_rs.RegexOptions(**PATTERNS),
            )
        except jsonschema_rs.ValidationError as error:
            raise refused([str(one) for one in error.instance_path], _reason(error)) from None
        except ValueError as error:
            raise refused((), f"{error}.") from None

        self.effort = Effort(schema)

    def check(self, body: bytes) -> None:
        """Check a document. Raises: InvalidDocument."""
        if errors := self.violations(body):
            raise misfit(errors)

    def violations(self, body: bytes) -> list[Violation]:
        """Return up to MAX_ERRORS places where the stored document violates the schema."""
        if self.effort.is_too_much(body):
            return [TOO_MUCH]
        effort.note(len(body))
        document = read_exactly(body)
        if self.validator.is_valid(document):
            return []
        return list(islice(_told(self._found(document, many=body.count(b",") > MAX_VALUES)), MAX_ERRORS))

    def _found(self, document: Any, many: bool) -> Iterable[jsonschema_rs.ValidationError]:
        if not many:
            return self.validator.iter_errors(document)
        try:
            self.validator.validate(document)
        except jsonschema_rs.ValidationError as error:
            return [error]
        raise AssertionError("a document is valid and not valid")


def misfit(errors: list[Violation]) -> InvalidDocument:
    first = errors[0]
    return InvalidDocument(f"{first['path'] or 'The document'}: {first['message']}", errors=errors)


def _told(errors: Iterable[jsonschema_rs.ValidationError]) -> Iterator[Violation]:
    """Yield the violations. The path of a missing field, and of a field that is not allowed, names the field itself."""
    for error in errors:
        place, kind = list(error.instance_path), error.kind
        match kind:
            case jsonschema_rs.ValidationErrorKind.Required():
                yield _violation([*place, str(kind.property)], "This field is required.", kind.name)
            case (
                jsonschema_rs.ValidationErrorKind.AdditionalProperties()
                | jsonschema_rs.ValidationErrorKind.UnevaluatedProperties()
            ):
                for name in kind.unexpected:
                    yield _violation([*place, name], "The schema has no such field.", kind.name)
            case jsonschema_rs.ValidationErrorKind.FalseSchema():
                yield _violation(place, "The schema allows no value here.", kind.name)
            case jsonschema_rs.ValidationErrorKind.Format() if example := EXAMPLES.get(kind.format):
                yield _violation(place, f"{_capital(error.message)}, such as {example}.", kind.name)
            case _:
                yield _violation(place, f"{_capital(error.message)}.", kind.name)


def _capital(message: str) -> str:
    return message[:1].upper() + message[1:]


def _violation(place: list[str | int], message: str, keyword: str) -> Violation:
    shown = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
    return {"path": pointer(place), "message": shown, "keyword": keyword}


def _reason(error: jsonschema_rs.ValidationError) -> str:
    if getattr(error.kind, "format", None) == "regex":
        return "This pattern is not supported: it is not valid, has look-around or back references, or is too large."
    if error.message.startswith("Unknown format"):
        return "This format is not known; use a format of JSON Schema 2020-12, such as date-time, email or uuid."
    return f"{error.message}."
