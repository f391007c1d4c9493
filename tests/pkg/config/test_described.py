from __future__ import annotations

import msgspec

from bunbase.pkg.config.described import default_of, descriptions, introduction


class Base(msgspec.Struct, frozen=True):
    """Settings of the base.

    `seconds`: the time that it lasts, see `words`. It may
    be 0. `words`: what is said.
    """

    seconds: int = 1
    words: tuple[str, ...] = ()


class Child(Base, frozen=True):
    """Settings of the child. `more`: another one. `gone`: no setting of this Struct.

    `words`: the words of the child.
    """

    more: dict[str, str] = msgspec.field(default_factory=dict)
    silent: int = 7


def test_a_setting_is_described_by_its_own_struct_or_by_the_base() -> None:
    assert descriptions(Child) == {
        "seconds": "The time that it lasts, see `words`. It may be 0.",
        "words": "The words of the child.",
        "more": "Another one.",
    }


def test_the_introduction_has_no_descriptions() -> None:
    assert introduction(Child) == "Settings of the child."


def test_every_default_is_known_also_a_made_one() -> None:
    assert [default_of(Child, name) for name in ("seconds", "words", "more", "silent")] == [1, (), {}, 7]
