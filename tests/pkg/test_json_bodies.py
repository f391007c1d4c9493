from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from bunbase.pkg.json_bodies import fault_in, read_json


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Part(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    colour: Colour | None = None
    mode: Annotated[Literal["on", "off"], msgspec.Meta(description="x")] = "on"


class Body(msgspec.Struct, forbid_unknown_fields=True):
    part: Part
    by_name: dict[str, Part] = msgspec.field(default_factory=dict, name="byName")
    listed: tuple[Part, ...] | None = None


@pytest.mark.parametrize(
    ("sent", "pointer", "message"),
    [
        ({}, "/part", "The field part is missing."),
        ({"part": {"size": 1}, "a/b~c": 1}, "/a~1b~0c", "There is no field a/b~c here."),
        ({"part": {}}, "/part/size", "The field size is missing."),
        (
            {"part": {"size": 1}, "listed": [{"size": 1, "mod": 1}]},
            "/listed/0/mod",
            "There is no field mod here. Did you mean mode?",
        ),
        ({"part": {"size": 1}, "byname": {}}, "/byname", "There is no field byname here. Did you mean byName?"),
        ({"part": {"size": 1, "x" * 65: 1}}, f"/part/{'x' * 65}", f"There is no field {'x' * 65} here."),
        ({"part": {"size": 1, "colour": "pink"}}, "/part/colour", "This must be one of: red, blue."),
        (
            {"part": {"size": 1}, "listed": [{"size": 1, "mode": "x"}]},
            "/listed/0/mode",
            "This must be one of: off, on.",
        ),
        (
            {"part": {"size": 1}, "byName": {"a.b": {"size": 1, "mode": ""}}},
            "/byName/*/mode",
            "This must be one of: off, on.",
        ),
        ({"part": {"size": "1"}}, "/part/size", "This must be a whole number, but it is a text."),
        ([], "", "This must be an object, but it is a list."),
    ],
)
def test_a_fault_names_the_place_and_the_choices(sent: Any, pointer: str, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        read_json(msgspec.json.encode(sent), Body)

    assert fault_in(refused.value, Body) == (pointer, message)
