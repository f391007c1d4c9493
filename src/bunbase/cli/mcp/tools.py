"""The list of all tools."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bunbase.cli.mcp import collections, operation, reading, writing
from bunbase.cli.mcp.tool import Permission, Tool

TOOLS: Final = (*collections.TOOLS, *reading.TOOLS, *operation.TOOLS, *writing.TOOLS)


def offered(allowed: Collection[Permission]) -> dict[str, Tool]:
    """Return all tools that only read, and the tools that the command line allows, by name."""
    return {tool.name: tool for tool in TOOLS if tool.permission is None or tool.permission in allowed}
