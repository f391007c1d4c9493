"""The two typed faces `sync` and `aio` of the Python client, which are made from its core.

A method of a class `…Calls` in the core is a generator or returns a generator. Each face has a method with the same
parameters and the same docstring, which passes the generator to its driver. A method without a docstring belongs to the
core only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.sdk_python.examples import for_asyncio, is_public
from tests.sdk_python.models import PACKAGE
from tests.sdk_python.style import formatted

CORE: Final = PACKAGE / "core"
CALLBACK: Final = "Callable[[TransactionCalls]"


class Face(NamedTuple):
    """A face. The names of its classes have the prefix `prefix`.

    `replies` has the types that replace the types of the core's callbacks and sources.
    """

    folder: str
    prefix: str
    driver: str
    iterator: str
    replies: dict[str, str]


SYNC: Final = Face("sync", "", "Driver", "Iterator[{0}]", {"Reply": "{0}", "Maybe": "{0}", "Source": "Iterable[{0}]"})
AIO: Final = Face(
    "aio",
    "Async",
    "AsyncDriver",
    "AsyncGenerator[{0}, None]",
    {"Reply": "Awaitable[{0}]", "Maybe": "Awaitable[{0}] | {0}", "Source": "Iterable[{0}] | AsyncIterable[{0}]"},
)
FACES: Final = (SYNC, AIO)


def sources() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each file."""
    for face in FACES:
        for module in modules():
            yield PACKAGE / face.folder / module.name, formatted(Written(face, module).text())


def modules() -> list[Path]:
    return [path for path in sorted(CORE.glob("*.py")) if _classes(path)]


def _classes(path: Path) -> list[ast.ClassDef]:
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name.endswith("Calls")]


class Names(ast.NodeTransformer):
    """Replaces the names of the core by the names of a face."""

    def __init__(self, face: Face) -> None:
        self.face = face

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id.endswith("Calls"):
            return ast.Name(self.face.prefix + node.id.removesuffix("Calls"))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.generic_visit(node)
        form = self.face.replies.get(node.value.id) if isinstance(node.value, ast.Name) else None
        return node if form is None else ast.parse(form.format(ast.unparse(node.slice)), mode="eval").body


class Written:
    """Writes the text of one module of a face."""

    def __init__(self, face: Face, module: Path) -> None:
        self.face = face
        self.module = module.stem
        self.tree = ast.parse(module.read_text("utf-8"))

    def text(self) -> str:
        head = f'"""{ast.get_docstring(self.tree)}\n\nWritten by `make gen` from core/{self.module}.py.\n"""\n'
        return "\n".join([head, *self._imports(), *self._type_variables(), *self._written_classes()])

    def _imports(self) -> Iterator[str]:
        yield "from __future__ import annotations"
        yield "from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Iterator"
        yield f"from bunbase_sdk.core import {self.module} as core"
        yield f"from bunbase_sdk.{self.face.folder}.driver import {self.face.driver}"
        if constants := self._constants():
            yield f"from bunbase_sdk.core.{self.module} import {', '.join(constants)}"
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                yield ast.unparse(node)
            elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
                calls = [name.name for name in node.names if name.name.endswith("Calls")]
                others = [name.name for name in node.names if not name.name.endswith("Calls")]
                if calls:
                    shown = ", ".join(self._public(name) for name in calls)
                    yield f"from {(node.module or '').replace('.core.', f'.{self.face.folder}.')} import {shown}"
                if others:
                    yield f"from {node.module} import {', '.join(others)}"

    def _constants(self) -> list[str]:
        """Return the constants of the module that are default values of parameters."""
        assigned = {
            node.target.id
            for node in self.tree.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        used = {
            name.id
            for node in ast.walk(self.tree)
            if isinstance(node, ast.arguments)
            for default in [*node.defaults, *node.kw_defaults]
            if default
            for name in ast.walk(default)
            if isinstance(name, ast.Name)
        }
        return sorted(assigned & used)

    def _type_variables(self) -> Iterator[str]:
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and "TypeVar" in ast.unparse(node.value):
                yield ast.unparse(node)

    def _written_classes(self) -> Iterator[str]:
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Calls"):
                yield from self._class(node)

    def _class(self, node: ast.ClassDef) -> Iterator[str]:
        bases = f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else ""
        arguments = ast.unparse(node.bases[0]).removeprefix("Generic") if node.bases else ""
        yield f"\n\nclass {self._public(node.name)}{bases}:"
        yield f'    """{self._docstring(node, 4)}"""'
        yield f"    def __init__(self, calls: core.{node.name}{arguments}, driver: {self.face.driver}) -> None:"
        yield "        self._calls = calls"
        yield "        self._driver = driver"
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and (is_public(method) or _is_overload(method)):
                yield from self._method(method)

    def _method(self, method: ast.FunctionDef) -> Iterator[str]:
        returned = method.returns
        kind = returned.value.id if isinstance(returned, ast.Subscript) and isinstance(returned.value, ast.Name) else ""
        assert returned is not None, method.name
        for decorator in method.decorator_list:
            yield f"    @{ast.unparse(decorator)}"
        word = "async def" if kind == "Flow" and self.face is AIO else "def"
        yield f"    {word} {method.name}({self._parameters(method)}) -> {self._returned(returned, kind)}:"
        if _is_overload(method):
            yield "        ..."
            return
        yield f'        """{self._docstring(method, 8)}"""'
        yield f"        {self._body(method, kind)}"

    def _parameters(self, method: ast.FunctionDef) -> str:
        arguments = ast.parse(f"def f({ast.unparse(method.args)}): ...").body[0]
        assert isinstance(arguments, ast.FunctionDef)
        return ast.unparse(Names(self.face).visit(arguments.args))

    def _returned(self, returned: ast.expr, kind: str) -> str:
        copy = ast.parse(ast.unparse(returned), mode="eval").body
        shown = Names(self.face).visit(copy)
        if kind == "Flow":
            return ast.unparse(shown.slice)
        return self.face.iterator.format(ast.unparse(shown.slice)) if kind == "Items" else ast.unparse(shown)

    def _body(self, method: ast.FunctionDef, kind: str) -> str:
        called = f"self._calls.{method.name}"
        if not any(isinstance(one, ast.Name) and one.id == "property" for one in method.decorator_list):
            called += f"({', '.join(self._arguments(method))})"
        returned = ast.unparse(method.returns) if method.returns else ""
        if kind == "Flow":
            run = f"{'await ' if self.face is AIO else ''}self._driver.run({called})"
            return run if returned == "Flow[None]" else f"return {run}"
        if kind == "Items":
            return f"return self._driver.items({called})"
        name = returned.partition("[")[0]
        if name.endswith("Calls"):
            return f"return {self._public(name)}({called}, self._driver)"
        return called if returned == "None" else f"return {called}"

    def _arguments(self, method: ast.FunctionDef) -> Iterator[str]:
        arguments = method.args
        for one in arguments.args[1:]:
            yield self._argument(one)
        for one in arguments.kwonlyargs:
            yield f"{one.arg}={self._argument(one)}"
        if arguments.kwarg:
            yield f"**{arguments.kwarg.arg}"

    def _argument(self, one: ast.arg) -> str:
        """Return the expression that a face passes on for an argument.

        A callback gets the typed face of the core's object.
        """
        if one.annotation and ast.unparse(one.annotation).startswith(CALLBACK):
            return f"lambda calls: {one.arg}({self._public('TransactionCalls')}(calls, self._driver))"
        return one.arg

    def _docstring(self, node: ast.ClassDef | ast.FunctionDef, margin: int) -> str:
        text = ast.get_docstring(node) or ""
        if self.face is AIO:
            text = for_asyncio(text)
        lines = [line and " " * margin + line for line in text.splitlines()]
        return "\n".join(lines).lstrip() + (f"\n{' ' * margin}" if len(lines) > 1 else "")

    def _public(self, name: str) -> str:
        return self.face.prefix + name.removesuffix("Calls")


def _is_overload(method: ast.FunctionDef) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in method.decorator_list)
