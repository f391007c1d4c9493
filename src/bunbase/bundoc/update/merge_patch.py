"""JSON Merge Patch (RFC 7396) on JSON text. Values that the patch does not change keep their exact digits."""

from __future__ import annotations

import msgspec

from bunbase.bundoc.documents import Fields, read_fields, write

NULL = b"null"


def merged(target: bytes, patch: bytes) -> bytes:
    """Return `target` with `patch` applied (§2).

    Both arguments are compact JSON values; the caller must limit their depth.
    """
    if not _is_object(patch):
        return patch
    return write(merged_fields(read_fields(target) if _is_object(target) else {}, read_fields(patch)))


def merged_fields(target: Fields, patch: Fields) -> Fields:
    """Return the fields of an object with the patch applied. The patch is an object too."""
    result = dict(target)
    for name, value in patch.items():
        text = bytes(value)
        if text == NULL:
            result.pop(name, None)
        elif not _is_object(text):
            result[name] = value
        else:
            result[name] = msgspec.Raw(merged(bytes(result.get(name, NULL)), text))
    return result


def _is_object(text: bytes) -> bool:
    return text[:1] == b"{"
