"""The check of names, numbers, nulls and repetitions in a URL. Litestar accepts more than the OpenAPI document allows.

- Litestar ignores parameters that a route does not have. A misspelt filter would return everything, and a misspelt
  `dry_run` would do what the caller only wanted to try.
- It accepts `5.0` and `1e1` as whole numbers, and `+1` as the number 1 in a path.
- It takes `null`, in any case, for a parameter that is left out. So a filter such as `?banned=null` had no effect.
- It takes the last of two values with the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

from litestar import Request
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from bunbase.gateway.cookie_answers import PARAMETER as COOKIES_PARAMETER
from bunbase.gateway.credentials import KEY_PARAMETER, PROJECT_PARAMETER
from bunbase.gateway.project_hosts import FUNCTIONS
from bunbase.pkg.errors import InvalidInput, NotFound
from bunbase.pkg.object_paths import OBJECTS

WHOLE: Final = re.compile(r"-?(?:0|[1-9][0-9]*)")
DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
EMPTY: Final = re.compile(rb"//|/$")
NULL: Final = "null"
MAX_NAME: Final = 100
OF_THE_GATEWAY: Final = frozenset({KEY_PARAMETER, PROJECT_PARAMETER, COOKIES_PARAMETER})
# Documents and collections refuse unknown parameters themselves (`bundoc/routes`), as `invalid_query`.
STRICT: Final = ("/api/", "/v1/auth/", "/v1/channels", "/v1/jobs", "/v1/storage/")
# Other services send browsers and probes to these paths, with parameters that they choose.
OPEN: Final = frozenset(
    {"/api/auth/oauth/{provider}/callback", "/api/health", "/api/ready", "/v1/auth/oauth/{provider}/callback"}
)
HANDLERS: Final = 512  # There are fewer routes than this.


def check_parameters(request: Request[Any, Any, Any]) -> None:
    """Check the names of all parameters, and the values of the parameters that the handler declares.

    Raises: InvalidInput, NotFound.
    """
    _check_path(request)
    if not request.scope["query_string"]:
        return
    declared = _declared(request.route_handler)
    if _is_strict(request):
        _check_names(request.query_params.keys(), declared)
    for name, kinds in declared.items():
        sent = request.query_params.getall(name, ())
        if len(sent) > 1:
            _refuse(name, "Send this parameter only once.")
        if sent:
            _check(name, sent[0], kinds)


def _is_strict(request: Request[Any, Any, Any]) -> bool:
    """True for a documented route of the API.

    Pages accept every parameter, because some programs add parameters to the links in mails.
    """
    route = request.scope["path_template"]
    return route.startswith(STRICT) and route not in OPEN and request.route_handler.resolve_include_in_schema()


def _check_names(sent: Iterable[str], declared: Iterable[str]) -> None:
    known = sorted(declared)
    for name in sent:
        if name not in known and name not in OF_THE_GATEWAY:
            taken = f"it takes {', '.join(known)}" if known else "it takes none in the URL"
            _refuse(name[:MAX_NAME], f"This route has no such parameter: {taken}.")


def _check(name: str, sent: str, kinds: frozenset[Any]) -> None:
    if str in kinds:
        return
    if type(None) in kinds and sent.lower() == NULL:
        _refuse(name, "This cannot be null: leave the parameter out.")
    if choices := [str(choice) for kind in kinds for choice in _choices(kind)]:
        if sent not in choices:
            _refuse(name, f"This must be one of: {', '.join(sorted(choices))}.")
        return
    if int in kinds and not WHOLE.fullmatch(sent):
        _refuse(name, "This must be a whole number, in digits.")
    if float in kinds and not DECIMAL.fullmatch(sent):
        _refuse(name, "This must be a number, such as 2.5.")


def _choices(kind: Any) -> list[Any]:
    """Return the words that a parameter accepts. Return no words if the parameter also accepts other values."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [one.value for one in kind]
    return list(get_args(kind)) if get_origin(kind) is Literal else []


def _check_path(request: Request[Any, Any, Any]) -> None:
    """Check that numbers in a path have the usual spelling, so that each document or version has only one URL.

    A DELETE must have no empty segments: `DELETE /v1/auth/sessions/$ID` with an empty variable would end all sessions.
    """
    template = request.scope["path_template"]
    if (
        request.method == "DELETE"
        and not template.startswith((FUNCTIONS, OBJECTS))
        and EMPTY.search(request.scope.get("raw_path") or b"")
    ):
        raise NotFound("A part of this path is empty. Is a variable empty that has the id of what to delete?")
    numbers = {name: str(value) for name, value in request.path_params.items() if isinstance(value, int)}
    if not numbers:
        return
    path = request.scope["path"]
    parts = zip(template.split("/"), path.rstrip("/").split("/"), strict=True)
    if any(numbers.get(part[1:-1], sent) != sent for part, sent in parts if part.startswith("{")):
        raise NotFound(f"There is no route {path}; write numbers in digits, without a sign or zeros in front.")


@lru_cache(HANDLERS)
def _declared(handler: BaseRouteHandler) -> dict[str, frozenset[Any]]:
    """Return the types of each query parameter that takes one value, by its name in the URL.

    Several routes may share parameters. In this case, the handlers depend on one function that declares the parameters.
    """
    found = {}
    used = handler.parsed_fn_signature.parameters
    shared = [given.parsed_fn_signature for name, given in handler.resolve_dependencies().items() if name in used]
    for signature in (handler.parsed_fn_signature, *shared):
        for name, field in signature.parameters.items():
            if isinstance(kind := field.kwarg_definition, QueryParameter):
                found[kind.name or name] = _alternatives(field.annotation)
    return found


def _alternatives(annotation: Any) -> frozenset[Any]:
    is_union = get_origin(annotation) in (Union, UnionType)
    return frozenset(get_args(annotation) if is_union else (annotation,))


def _refuse(name: str, message: str) -> None:
    raise InvalidInput.at(name, message, f"{name}: {message}")
