"""Find the functions of the product that check a JWT."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import bunbase

SOURCE = Path(bunbase.__file__).parent
CHECKS = {"verified", "check_assertion", "checked_claims"}  # These functions check a token.
METHOD = "claims"  # Verifier, Keyring and AccessTokens have this method.
LIBRARY = {"jwt", "jws"}  # These are modules of joserfc.


def checking_functions() -> set[str]:
    """Return all functions that call a check, as `module.function`."""
    return {f"{module}.{name}" for module, tree in _modules() for name in _callers(tree)}


def users_of_the_library() -> set[str]:
    """Return the modules that import the functions of joserfc which check signatures."""
    return {
        module
        for module, tree in _modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("joserfc")
        and (LIBRARY & {name.name for name in node.names} or (node.module or "").rpartition(".")[2] in LIBRARY)
    }


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text("utf-8")
        if "jwt" in text or "claims(" in text or any(name in text for name in CHECKS):
            yield ".".join(path.relative_to(SOURCE).with_suffix("").parts), ast.parse(text)


def _callers(tree: ast.Module) -> Iterator[str]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_check, ast.walk(function))):
            yield function.name


def _is_check(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    by_name = isinstance(called, ast.Name) and called.id in CHECKS
    return by_name or (isinstance(called, ast.Attribute) and called.attr == METHOD)
