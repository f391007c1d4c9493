from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.languages import asked_for, chosen, is_language
from tests.seeds import examples


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("de", ("de",)),
        ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", ("fr-CH", "fr", "en", "de")),
        ("en;q=0.5, de", ("de", "en")),
        ("en , de ; q=0.9", ("en", "de")),
        ("de;q=0, en;q=0.1", ("en",)),
        ("de;q=0.000, en", ("en",)),
        ("", ()),
        ("*", ()),
        ("de;q=2, en", ("en",)),
        ("de;q=abc, <script>, ../en, en", ("en",)),
        ("x" * 5000, ()),
        (",".join(["en"] * 5000), ("en",) * 20),
    ],
)
def test_the_header_accept_language_names_languages_by_their_weight(header: str, expected: tuple[str, ...]) -> None:
    assert asked_for(header) == expected


@settings(max_examples=examples(100))
@given(st.text(max_size=60))
def test_no_header_fails_and_every_answer_is_a_language(header: str) -> None:
    assert all(is_language(tag) for tag in asked_for(header))


@pytest.mark.parametrize(
    ("wanted", "offered", "expected"),
    [
        (("de",), ("en", "de"), "de"),
        (("de-CH",), ("en", "de"), "de"),
        (("de-Latn-CH",), ("de", "de-Latn"), "de-Latn"),
        (("DE-ch",), ("en", "de"), "de"),
        (("it", "fr"), ("en", "fr"), "fr"),
        (("pt-PT",), ("en", "pt-BR"), "pt-BR"),
        (("pt",), ("pt-BR", "pt-AO"), "pt-BR"),
        (("pt-PT", "en"), ("pt-BR", "en"), "en"),
        (("it",), ("en", "fr"), None),
        ((), ("en",), None),
        (("en",), (), None),
    ],
)
def test_the_language_that_fits_best_is_chosen(
    wanted: tuple[str, ...], offered: tuple[str, ...], expected: str | None
) -> None:
    assert chosen(wanted, offered) == expected


@pytest.mark.parametrize("tag", ["", "e", "en_US", "en-", "de\n", "zh-Hans-CN-" + "x" * 40, "ＥＮ"])
def test_other_texts_are_no_tags(tag: str) -> None:
    assert not is_language(tag)
