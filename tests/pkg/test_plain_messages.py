from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest

from bunbase.pkg.plain_messages import plain


class Body(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(min_length=2, max_length=4)]
    count: Annotated[int, msgspec.Meta(ge=1, le=500)] | None = None
    names: Annotated[tuple[str, ...], msgspec.Meta(max_length=2)] = ()
    flag: bool = False
    share: Annotated[float, msgspec.Meta(gt=0)] = 1.0


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"text": "abc", "password": "x"}, "There is no field password here"),
        ({}, "The field text is missing"),
        ({"text": 5}, "This must be a text, but it is a whole number - at `$.text`"),
        ({"text": "a"}, "This must be a text of at least 2 characters - at `$.text`"),
        ({"text": "abcde"}, "This must be a text of at most 4 characters - at `$.text`"),
        ({"text": "abc", "count": 501}, "This must be a whole number of at most 500 - at `$.count`"),
        ({"text": "abc", "count": "x"}, "This must be a whole number or null, but it is a text - at `$.count`"),
        ({"text": "abc", "names": ["a", "b", "c"]}, "This must be a list of at most 2 elements - at `$.names`"),
        ({"text": "abc", "names": "a"}, "This must be a list, but it is a text - at `$.names`"),
        ({"text": "abc", "flag": []}, "This must be true or false, but it is a list - at `$.flag`"),
        ({"text": "abc", "share": 0}, "This must be a number of more than 0.0 - at `$.share`"),
        ([], "This must be an object, but it is a list"),
    ],
)
def test_a_message_of_the_validator_is_in_plain_words(sent: Any, message: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.convert(sent, Body)

    assert plain(str(refused.value)) == message


@pytest.mark.parametrize("message", ["", "Invalid enum value 'x'", "no validator said this"])
def test_other_messages_stay_as_they_are(message: str) -> None:
    assert plain(message) == message
