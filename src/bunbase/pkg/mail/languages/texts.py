"""The form of a language of mails."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Texts(msgspec.Struct, frozen=True):
    """The texts of one mail, as in `templates.Template`."""

    subject: str
    heading: str
    body: str
    button: str = ""
    footer: str = ""


class Language(msgspec.Struct, frozen=True):
    """`units`: the singular and the plural of each unit of time. `factors`: the words for factors, by the English name.
    `passkey`: the words for a passkey, with `{name}`. `fallback`: the sentence above the URL of a button.
    """

    texts: Mapping[str, Texts]
    units: Mapping[str, tuple[str, str]]
    factors: Mapping[str, str]
    passkey: str
    fallback: str
