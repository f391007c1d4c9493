"""cel-spec: each test of the language becomes a rule, which a real server evaluates.

The rule is `(expression) == (expected value)`. If the rule denies, `!(…)` distinguishes a different value from an
error: one of the two rules allows if the expression has a value. A test that expects an error passes if neither rule
allows, or if the server refuses to save the rule.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from tests.outside.project import Project
from tests.outside.tally import Tally

CASES: Final = 400
NAMES: Final = r"google\.|f_unknown|'\w+\.\w+': \{'value'"
EXTENSIONS: Final = ("_ext", "optionals", "macros2", "type_deduction", "unknowns")
MESSAGES: Final = ("proto2", "proto3", "dynamic", "enums", "wrappers")

# docs/rules.md lists these differences. The keys are parts of the expression.
DOCUMENTED: Final = {
    "an integer and a double beyond 2^53 are compared exactly": re.compile(r"92233720368547758\d\d"),
    "times and durations have another range": re.compile(r"duration\(|timestamp\("),
}


def run(suites: Path, project: Project) -> list[Tally]:
    """Return the results of all files. `suites`: the folder that contains `cel.json` (`cel_to_json.py` writes it)."""
    files: dict[str, Any] = json.loads((suites / "cel.json").read_text("utf-8"))
    tally = Tally("cel-spec")
    for file, content in files.items():
        for section in content.get("section", []):
            for test in section.get("test", []):
                _run(project, tally, file, f"{file}/{section['name']}/{test['name']}", test)
    return [tally]


def _run(project: Project, tally: Tally, file: str, name: str, test: dict[str, Any]) -> None:
    if file in MESSAGES or file.endswith("_ext") or file in EXTENSIONS:
        tally.skipped[f"{file}: messages or an extension, which rules do not have"] += 1
        return
    if "container" in test or {"true", "false", "null"} & set(test.get("bindings", ())) or re.search(NAMES, str(test)):
        tally.skipped["the test is about how names in packages are resolved"] += 1
        return
    try:
        wanted = _literal(test["value"]) if "value" in test else "true"
        bound = {key: _plain(one["value"]) for key, one in test.get("bindings", {}).items()}
    except ValueError as error:
        tally.skipped[f"the value is {error}, which JSON does not have"] += 1
        return
    if "eval_error" not in test and "value" not in test and ("typed_result" in test or test.get("check_only")):
        tally.skipped["the test is about a checker of types"] += 1
        return
    expression = re.sub(r"(?<![\w.])dyn\(", "(", test["expr"])
    for variable in sorted(bound, key=len, reverse=True):
        expression = re.sub(rf"(?<![\w.\"']){re.escape(variable)}(?![\w\"'])", f'doc["{variable}"]', expression)
    outcome, detail = _outcome(project, expression, wanted, bound, "eval_error" in test)
    if outcome == "refused":
        if "eval_error" in test:
            tally.passed += 1
        else:
            tally.skipped[f"refused: {detail}"] += 1
        return
    right = outcome == ("error" if "eval_error" in test else "equal")
    reason = "" if right else next((why for why, part in DOCUMENTED.items() if part.search(expression)), "")
    if reason:
        tally.known[reason] += 1
    else:
        tally.check(right, name, f"{outcome}: {test['expr'][:120]!r} should be {wanted[:80]} {detail}")


def _outcome(project: Project, expression: str, wanted: str, bound: Any, fails: bool) -> tuple[str, str]:
    """Return `equal`, `differs`, `error` or `refused`, and the message of a refusal."""
    rule = f"size([({expression}\n)]) == 1" if fails else f"({expression}\n) == ({wanted})"
    for text, allowed in ((rule, "equal"), (f"!({rule})", "differs")):
        body = {"collection": "suite", "op": "get", "doc": bound, "rules": {"get": text}}
        answer = project.send("POST", "/v1/rules/test", body)
        found = answer.json()
        if answer.status_code == 422:
            return "refused", _reason(str((found.get("errors") or [{}])[0].get("message") or found.get("detail")))
        if answer.status_code != 200:
            return f"status {answer.status_code}", str(found)
        if found["allowed"]:
            return allowed, ""
    return "error", json.dumps(found.get("trace", [])[-1:])


def _reason(message: str) -> str:
    """Return the message without the place, names and values of one test."""
    words = re.sub(r"^.*?column \d+: ", "", message)
    words = re.sub(r"no function \w+.*", "no such function", re.sub(r"^\w+ and null", "two types", words))
    return re.sub(r" \S+(, but found) \S+", r" …\1 …", re.sub(r"; this is \w+", "", words))[:80]


def _literal(value: dict[str, Any]) -> str:
    """Return a value of the suite as an expression. Raises: ValueError, if rules have no such value."""
    return _text_of(_plain(value))


def _text_of(value: Any) -> str:
    match value:
        case float() if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("NaN or infinite")
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)}: {_text_of(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_text_of, value)) + "]"
        case str():
            return '"' + "".join(_escaped(one) for one in value) + '"'
        case int() if value is not True and value is not False and value == -(2**63):
            return "(-9223372036854775807 - 1)"
    return json.dumps(value)


def _escaped(character: str) -> str:
    if character in '"\\' or ord(character) < 32 or ord(character) > 126:
        return f"\\U{ord(character):08x}"
    return character


def _plain(value: dict[str, Any]) -> Any:
    (kind, inner), *_ = value.items()
    match kind:
        case "int64_value":
            return int(inner)
        case "double_value" if inner in ("NaN", "Infinity", "-Infinity"):
            raise ValueError("NaN or infinite")
        case "double_value":
            return float(inner)
        case "string_value" | "bool_value":
            return inner
        case "null_value":
            return None
        case "list_value":
            return [_plain(one) for one in inner.get("values", [])]
        case "map_value":
            pairs = [(_plain(one["key"]), _plain(one["value"])) for one in inner.get("entries", [])]
            if any(not isinstance(key, str) for key, _ in pairs):
                raise ValueError("a map with keys that are no strings")
            return dict(pairs)
    raise ValueError(f"of the kind {kind.removesuffix('_value')}")
