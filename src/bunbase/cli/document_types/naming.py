"""The names of types: `blog_posts` has documents of the type `BlogPost`, and `NewBlogPost` for writes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

WORD: Final = re.compile(r"[A-Za-z0-9]+")
OF_US: Final = re.compile("[^aeiou]uses$")  # this matches plurals such as statuses, but not houses and causes
# in a generated file of one of the languages, these names have another meaning
TAKEN: Final = frozenset(
    {"Any", "AnyDocument", "Database", "False", "Id", "Literal", "NewAnyDocument", "None", "NotRequired"}
    | {"StoredDocument", "True", "TypeAlias", "TypedDict"}
)


def document_names(collections: Iterable[str]) -> dict[str, str]:
    """Return the name of the document type of each collection. No name consists of `New` and another name."""
    collections = sorted(collections)
    short = {name: pascal(singular(name)) for name in collections}
    often = Counter(short.values())
    used = set(TAKEN)
    names = {}
    for name in collections:
        wanted = short[name] if often[short[name]] == 1 else pascal(name)
        names[name] = free_name(wanted, used, ("New{}", "{}Fields"))
    return names


def free_name(wanted: str, used: set[str], also: tuple[str, ...] = ()) -> str:
    """Return `wanted`, with a number if `wanted` is in `used`, and add it to `used`.

    `also`: formats of names derived from the name, which must be free too.
    """
    number, name = 1, wanted
    while used & {name, *(form.format(name) for form in also)}:
        number += 1
        name = f"{wanted}{number}"
    used |= {name, *(form.format(name) for form in also)}
    return name


def pascal(text: str) -> str:
    """Return the words of a text as one name, such as `BlogPost`. A name never begins with a digit."""
    name = "".join([word[0].upper() + word[1:] for word in WORD.findall(text)])
    return name if name and not name[0].isdigit() else f"Type{name}"


def singular(word: str) -> str:
    """Return the usual singular of an English plural; other words stay as they are."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if OF_US.search(word) and len(word) > 5:
        return word[:-2]
    if word.endswith(("ses", "xes", "ches", "shes", "zes")) and not word.endswith(("uses", "ases", "oses")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        return word[:-1]
    return word
