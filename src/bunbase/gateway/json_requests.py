"""The JSON bodies of routes that take `data`. Litestar would accept texts for numbers and for truth values."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request

from bunbase.pkg.errors import InvalidInput
from bunbase.pkg.json_bodies import fault_in, read_json


class ApiRequest(Request[Any, Any, Any]):
    async def json(self) -> Any:
        """Return the body as the type of the route's `data`. Raises: Malformed, InvalidInput."""
        field = self.route_handler.parsed_data_field
        assert field is not None
        try:
            return _read(await self.body(), field.annotation)
        except msgspec.ValidationError as error:
            path, message = fault_in(error, field.annotation)
            raise InvalidInput.at(path, message, f"{path}: {message}" if path else message) from None


def _read(body: bytes, kind: Any) -> Any:
    try:
        return read_json(body, kind)
    except msgspec.ValidationError as error:
        if "got `float`" not in str(error):
            raise
    return msgspec.convert(_with_whole_numbers(msgspec.json.decode(body)), kind)


def _with_whole_numbers(value: Any) -> Any:
    """Return the value with 5 instead of 5.0, because JSON has only one kind of number, and some clients write 5.0."""
    match value:
        case dict():
            return {name: _with_whole_numbers(one) for name, one in value.items()}
        case list():
            return [_with_whole_numbers(one) for one in value]
        case float() if value.is_integer():
            return int(value)
    return value
