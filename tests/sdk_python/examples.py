"""The examples of the docstrings. The examples are written once for both faces, and mypy checks them as one program."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.sdk_python.models import PACKAGE
from tests.sdk_python.style import formatted

CORE: Final = PACKAGE / "core"
CLIENTS: Final = (PACKAGE / "sync/client.py", PACKAGE / "aio/client.py")  # These modules have no core.
FILE: Final = Path(__file__).with_name("typed_examples.py")
EXAMPLE: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROOTS: Final = {"client": "ProjectCalls", "tx": "TransactionCalls"}
HEAD: Final = '''"""Written by `make gen` from the docstrings of bunbase_sdk: mypy checks them here."""

# ruff: noqa
from __future__ import annotations

from pathlib import Path
from typing import Any

from bunbase_sdk import AsyncClient, AsyncTransaction, Client, ServiceAccount, Transaction, webhooks

secret: Any = ""
token: Any = ""
body = b""
headers: dict[str, str] = {}
'''


def is_public(method: ast.FunctionDef) -> bool:
    return not method.name.startswith("_") and ast.get_docstring(method) is not None


@cache
def results() -> dict[str, dict[str, str]]:
    """Return the annotated result type of each public method of the core, by class and name."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(CORE.glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Calls"):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef) and is_public(one)]
                found[node.name] = {one.name: ast.unparse(one.returns) for one in methods if one.returns}
    return found


def for_asyncio(docstring: str) -> str:
    """Return the docstring with its examples for asyncio."""
    return EXAMPLE.sub(lambda found: f"```python\n{_awaited(found[1])}```", docstring)


def examples() -> Iterator[tuple[str, str]]:
    """Yield the place in the source and the text of each example."""
    for path in (*sorted(PACKAGE.glob("*.py")), *sorted(CORE.glob("*.py")), *CLIENTS):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                for found in EXAMPLE.findall(ast.get_docstring(node) or ""):
                    yield f"{path.relative_to(PACKAGE).with_suffix('')}.{node.name}", found


def source() -> str:
    """Return the text of the program."""
    parts = [HEAD]
    for number, (place, text) in enumerate(examples()):
        if not place.startswith("aio/"):
            indented = textwrap.indent(text, "    ")
            parts.append(f"# {place}\ndef example_{number}(client: Client, tx: Transaction) -> None:\n{indented}")
        if not place.startswith("sync/"):
            awaited = textwrap.indent(text if place.startswith("aio/") else _awaited(text), "    ")
            head = f"async def awaited_{number}(client: AsyncClient, tx: AsyncTransaction) -> None:"
            parts.append(f"# {place}\n{head}\n{awaited}")
    return formatted("\n\n".join(parts))


def _awaited(text: str) -> str:
    """Insert `await` and `async` where calls of the client need it."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    inserted: list[tuple[int, str]] = []
    tree = ast.parse(text)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        kind = _result(node).partition("[")[0]
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        parent = parents[node]
        if kind == "Flow":
            inner = isinstance(parent, ast.Subscript | ast.Attribute)
            inserted += [(begin, "(await " if inner else "await "), *([(end, ")")] if inner else [])]
            while not isinstance(parent, ast.Module):
                if isinstance(parent, ast.FunctionDef):
                    inserted.append((starts[parent.lineno - 1] + parent.col_offset, "async "))
                    break
                parent = parents[parent]
        elif kind == "Items" and isinstance(parent, ast.For):
            inserted.append((starts[parent.lineno - 1] + parent.col_offset, "async "))
    raw = text.encode()
    for at, word in sorted(set(inserted), reverse=True):
        raw = raw[:at] + word.encode() + raw[at:]
    return re.sub(r"\bTransaction\b", "AsyncTransaction", raw.decode())


def _result(node: ast.expr) -> str:
    """Return the annotated type of an expression of a client, or ""."""
    match node:
        case ast.Name():
            return ROOTS.get(node.id, "")
        case ast.Call(func=ast.Attribute(value=value, attr=name)) | ast.Attribute(value=value, attr=name):
            return results().get(_result(value).partition("[")[0], {}).get(name, "")
        case _:
            return ""
