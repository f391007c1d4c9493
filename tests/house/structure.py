"""Measure the structure of the source from its syntax trees: imports, classes and lengths."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
ROOMS = sorted(path.name for path in (SOURCE / "bunbase").iterdir() if (path / "__init__.py").exists())


def modules(room: str = "") -> dict[str, ast.Module]:
    """Return the syntax tree of each module of one room by its dotted name.

    By default, return the modules of all rooms.
    """
    found = {}
    for path in sorted((SOURCE / "bunbase" / room).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text())
    return found


def imports(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    """Return the known modules that a module imports. Imports in functions and under TYPE_CHECKING count too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(inside & known or {node.module})
    return (found & known) - {name}


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other (strongly connected components, Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def repeated_classes(room: str) -> dict[str, list[str]]:
    """Return the class names that more than one module of a room defines, each with its modules."""
    places: dict[str, list[str]] = {}
    for name, tree in modules(room).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(name)
    return {name: where for name, where in places.items() if len(where) > 1}


def lengths() -> tuple[list[int], list[int]]:
    """Return the line counts of all files and of all functions, each list in ascending order."""
    files = [len(path.read_text().splitlines()) for path in (SOURCE / "bunbase").rglob("*.py")]
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(files), sorted(functions)


def summary() -> Iterator[str]:
    """Yield the measurements as lines of text, to compare them before and after a change."""
    for kind, values in zip(("files", "functions"), lengths(), strict=True):
        median, p90 = values[len(values) // 2], values[len(values) * 9 // 10]
        yield f"{kind}: {len(values)}, median {median} lines, p90 {p90}, longest {values[-1]}"
    trees = modules()
    graph = {name: imports(name, tree, set(trees)) for name, tree in trees.items()}
    yield f"import cycles, TYPE_CHECKING included: {cycles(graph)}"
    repeated = {room: repeated_classes(room) for room in ROOMS}
    yield f"class names twice within a room: {Counter({room: len(names) for room, names in repeated.items()}).total()}"
    yield from (f"  {room}: {', '.join(sorted(names))}" for room, names in repeated.items() if names)


if __name__ == "__main__":
    print("\n".join(summary()))
