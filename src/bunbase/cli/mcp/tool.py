"""Describe a tool, and run it: read its arguments, and return its answer or its failure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from bunbase.cli.errors import Failure, Usage
from bunbase.cli.mcp.answers import MAX_ANSWER_BYTES
from bunbase.cli.mcp.project_api import ProjectApi
from bunbase.pkg.api_json import api_json

INVALID: Final = "invalid_arguments"
MAX_FAILURE_BYTES: Final = 4_000
MAX_DETAIL: Final = 2_000  # the detail of a failure is cut after this number of characters


class Effect(StrEnum):
    """The effect of a tool on the project."""

    READS = "reads"
    ADDS = "adds"
    DESTROYS = "destroys"  # the tool can overwrite or delete something


class Permission(StrEnum):
    """A part of the project that --allow-write opens to changes. A tool that only reads needs no permission."""

    DATA = "data"
    DEPLOY = "deploy"


@dataclass(frozen=True)
class Tool:
    """One tool. `arguments`, `answer`: Structs, from which the schemas are made. `run`: raises Failure.

    `shows_data`: the answer contains texts that users and programs have written. `repeatable`: a second call with the
    same arguments changes nothing more.
    """

    name: str
    title: str
    description: str
    arguments: type[msgspec.Struct]
    answer: type[msgspec.Struct]
    run: Callable[[ProjectApi, Any], msgspec.Struct]
    effect: Effect = Effect.READS
    permission: Permission | None = None
    shows_data: bool = False
    repeatable: bool = True


def call(tool: Tool, project: ProjectApi, arguments: Mapping[str, Any]) -> bytes:
    """Return the answer of a tool as JSON. Raises: Failure."""
    try:
        read = msgspec.convert(arguments, tool.arguments)
    except msgspec.ValidationError as error:
        raise Usage(f"Wrong arguments for {tool.name}: {error}.", INVALID) from None
    except RecursionError:
        raise Usage(f"The arguments for {tool.name} are nested too deeply.", INVALID) from None
    try:
        answer = api_json(tool.run(project, read))
    # for example a time that cannot be parsed; INVALID replaces the code "usage", which is about the command line
    except Usage as usage:
        raise Usage(usage.detail, INVALID if usage.code == "usage" else usage.code) from None
    if tool.effect is Effect.READS and len(answer) > MAX_ANSWER_BYTES:
        raise Failure("answer_too_large", f"The answer has {len(answer)} bytes. Ask for less, for example for a page.")
    return answer


def failure_text(failure: Failure) -> str:
    """Return the JSON that tells a model why a tool failed and what to do: the server's problem, or our own failure.

    The detail names commands instead of routes. A long problem, such as 1,000 errors of a schema, is shortened.
    """
    document = {**failure.document(), "detail": failure.detail}
    text = msgspec.json.encode(document)
    if len(text) <= MAX_FAILURE_BYTES:
        return text.decode()
    short = {"code": failure.code, "detail": f"{failure.detail[:MAX_DETAIL]}… (shortened)"}
    return msgspec.json.encode(short).decode()
