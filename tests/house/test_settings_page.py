"""Every setting is explained: in `bunbase config`, and on the generated page with its default."""

from __future__ import annotations

import pytest

from bunbase.house.settings import kinds
from bunbase.house.settings_page import settings_page
from bunbase.pkg.config.described import default_of, descriptions

SETTINGS = [(room, name) for room, kind in kinds().items() for name in kind.__struct_fields__]


@pytest.mark.parametrize(("room", "name"), SETTINGS)
def test_every_setting_has_a_sentence_that_stands_alone(room: str, name: str) -> None:
    sentence = descriptions(kinds()[room])[name]

    assert sentence.endswith(".")
    assert len(sentence.split()) >= 5
    assert "the same limit" not in sentence.lower()
    assert "|" not in sentence


def test_the_page_lists_every_setting_with_its_default_and_its_range() -> None:
    page = settings_page()

    for room, name in SETTINGS:
        assert f"| `{name}` | " in page.split(f"## {room}\n")[1].split("\n## ")[0]
    assert default_of(kinds()["gateway"], "port") == 7070
    assert "| `port` | `7070` | 0 to 65535 | " in page
    assert '| `signups` | `"auto"` | `auto`, `open`, `invite`, `closed` | ' in page
    assert "| `BUNBASE_PORT` | `gateway.port` |" in page
