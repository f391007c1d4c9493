from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.platform.slugs import MAX_LENGTH, slug_of, with_suffix

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Bakery", "bakery"),
        ("Ada's Café", "adas-cafe"),
        ("  -- My_first  Project! -- ", "my-first-project"),
        ("Straße 7", "strae-7"),
        ("パン屋", "project"),
        ("", "project"),
        ("prj_06a1", "project-prj-06a1"),
        ("PRJ 1", "project-prj-1"),
        ("prjx", "prjx"),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_a_slug_keeps_the_letters_and_digits_of_the_name(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@given(st.text(max_size=200))
def test_every_name_gets_a_valid_slug_that_is_no_id(name: str) -> None:
    slug = slug_of(name)

    assert SLUG.fullmatch(slug)
    assert len(slug) <= MAX_LENGTH
    assert not slug.startswith("prj-")
    assert slug_of(slug) == slug


@given(st.text(max_size=200))
def test_a_slug_with_a_suffix_is_a_valid_slug(name: str) -> None:
    slug = slug_of(name)

    assert SLUG.fullmatch(with_suffix(slug))
    assert with_suffix(slug).startswith(f"{slug}-")
