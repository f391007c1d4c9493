"""Reads the multipart form of a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar.datastructures import UploadFile
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema

from bunbase.contracts.functions.deployments import Bundle, FunctionConfig
from bunbase.pkg.errors import InvalidInput

PARTS: Final = ("bundle", "source_map", "config")
FORM: Final = {
    "properties": {
        "bundle": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
        "source_map": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
        "config": Schema(type=OpenAPIType.STRING, description="A FunctionConfig as JSON."),
    },
    "required": ["bundle"],
    "additional_properties": False,
}


async def bundle_of(form: Mapping[str, Any]) -> Bundle:
    """Return the bundle of a form. The parts may be files or plain fields. Raises: InvalidInput."""
    for name in form:
        if name not in PARTS:
            raise InvalidInput.at(f"/{name}", f"The form has no part {name}. Its parts are {', '.join(PARTS)}.")
    code = await _part(form, "bundle")
    if code is None:
        raise InvalidInput.at("/bundle", "Send the bundled function as the part `bundle`.")
    config = await _part(form, "config")
    return Bundle(code, await _part(form, "source_map"), _config(config or b"{}"))


async def _part(form: Mapping[str, Any], name: str) -> bytes | None:
    part = form.get(name)
    if part is None:
        return None
    if isinstance(part, UploadFile):
        return await part.read()
    if isinstance(part, str):
        return part.encode()
    raise InvalidInput.at(f"/{name}", f"Send the part `{name}` once.")


def _config(text: bytes) -> FunctionConfig:
    try:
        return msgspec.json.decode(text, type=FunctionConfig)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput.at("/config", f"The part `config` is not a valid FunctionConfig: {error}.") from None
