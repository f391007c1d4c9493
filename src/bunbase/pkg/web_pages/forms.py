"""The forms of pages: their HTML, and the reading of what a browser sends."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qsl

from bunbase.pkg.errors import Malformed, UnsupportedMedia

FORM_TYPE: Final = "application/x-www-form-urlencoded"
ALERT: Final = "alert"  # The text that describes the mistake has this id.
MAX_FIELDS: Final = 20
MAX_FORM_BYTES: Final = 16 << 10


def form(action: str, *parts: str) -> str:
    """Return a form that is sent to the path `action` of this server."""
    return f'<form method="post" action="{escape(action)}">\n' + "\n".join(parts) + "\n</form>"


def field(
    name: str,
    label: str,
    autocomplete: str,
    kind: str = "text",
    value: str = "",
    *,
    optional: bool = False,
    wrong: bool = False,
    hint: str = "",
    **extra: str,
) -> str:
    """Return a field with its label. `extra`: further attributes, such as `maxlength`.

    `wrong`: true if the alert of the page is about this field. The field then gets the focus. `hint`: a text below the
    field. Screen readers read the alert and the hint together with the field.
    """
    described = " ".join(id for id, used in ((ALERT, wrong), (f"{name}-hint", hint)) if used)
    attributes = {"id": name, "name": name, "type": kind, "autocomplete": autocomplete, "value": value, **extra}
    attributes |= {"aria-describedby": described, "aria-invalid": "true" if wrong else ""}
    written = " ".join(f'{key}="{escape(text)}"' for key, text in attributes.items() if text)
    flags = ("" if optional else " required") + (" autofocus" if wrong else "")
    below = f'\n<p class="small" id="{escape(name)}-hint">{escape(hint)}</p>' if hint else ""
    return f'<label for="{escape(name)}">{escape(label)}</label>\n<input {written}{flags}>{below}'


def hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def button(label: str, name: str = "", value: str = "", second: bool = False) -> str:
    """Return a button that sends the form. `second`: true if most people do not choose this button."""
    chosen = f' name="{escape(name)}" value="{escape(value)}"' if name else ""
    style = ' class="second"' if second else ""
    return f'<button type="submit"{chosen}{style}>{escape(label)}</button>'


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """Return the fields of a form. Raises: UnsupportedMedia, Malformed if a field occurs twice."""
    if content_type.partition(";")[0].strip().lower() != FORM_TYPE:
        raise UnsupportedMedia(f"Send the body as {FORM_TYPE}.")
    return _fields(body, "form", "field")


def read_query(query: bytes) -> dict[str, str]:
    """Return the parameters of a URL. Raises: Malformed if a parameter occurs twice."""
    return _fields(query, "address", "parameter")


def _fields(sent: bytes, whole: str, part: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(sent.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:
        raise Malformed(f"The {whole} could not be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Malformed(f"Send each {part} only once.")
    return fields
