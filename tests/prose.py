"""Check the sentences of the project: `make check` counts forbidden openings, `--sample` draws some to read.

    python -m tests.prose                                       fails if a statement begins with Give, Say, Who, Whom …
                                                                or if a field is described without a noun
    python -m tests.prose --sample 150 --seed 7 --of source     prints random sentences with file and line

There are three kinds: `source` (docstrings, comments and names of tests), `help` (strings that are sentences: help
texts, OpenAPI, details of problems) and `docs` (Markdown).
"""

import argparse
import ast
import io
import random
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FORBIDDEN = ("Give", "Gives", "Say", "Says", "Who", "Whom", "Whose", "What")
APPLIED = (  # The text of these migrations must stay, because databases store its checksum.
    "bunauth/migrations/0002_setup_token.sql",
    "functions/migrations/0003_triggers.sql",
    "functions/migrations/0005_hours.sql",
    "functions/migrations/0007_bytecode.sql",
    "functions/migrations/0009_counted_once.sql",
)
_OPENING = re.compile(rf"[^\w`]*({'|'.join(FORBIDDEN)})\b", re.IGNORECASE)
_BARE_FIELD = re.compile(r"(?:^|[.;] )`\w+`(?:, `\w+`)*: (?:of|by|how|until|as|with|from|in|at) ")
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\"“])|\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.|#+) )")


class Sentence(NamedTuple):
    kind: str
    path: str
    line: int
    text: str

    @property
    def forbidden(self) -> bool:
        return _OPENING.match(self.text) is not None and not self.text.rstrip("`*_)").endswith("?")

    @property
    def bare(self) -> bool:
        """True if a docstring of the server or of a test describes a field without a noun, as in "`bytes`: of it"."""
        is_ours = self.path.endswith(".py") and self.path.startswith(("src/", "tests/"))
        return is_ours and _BARE_FIELD.search(self.text) is not None


def sentences() -> Iterator[Sentence]:
    """Yield all sentences of the files that git tracks."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        path = ROOT / name
        if not path.is_file() or name.endswith(("tests/prose.py", *APPLIED)):
            continue
        match path.suffix:
            case ".py":
                yield from _of_python(name, path.read_text())
            case ".ts" | ".tsx" | ".js" | ".cjs":
                yield from _of_script(name, path.read_text())
            case ".md":
                yield from _of_markdown(name, path.read_text())
            case ".sql":
                yield from _blocks(name, re.finditer(r"(?:^[ \t]*--.*\n)+", path.read_text(), re.M), r"^\s*--\s?")


def _of_python(name: str, text: str) -> Iterator[Sentence]:
    whole_lines: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not re.match(r"#\s*(noqa|type:|!)", token.string):
            comment = token.start[0], token.string.lstrip("# ")
            if token.line.lstrip().startswith("#"):
                whole_lines.append(comment)
            else:
                yield from _split("source", name, *comment)
    yield from _joined(name, whole_lines)
    tree = ast.parse(text)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.body and isinstance(node.body[0], ast.Expr) and isinstance(node.body[0].value, ast.Constant):
                docstring = node.body[0].value
                docstrings.add(docstring)
                if isinstance(docstring.value, str):
                    yield from _split("help" if _is_help(name) else "source", name, docstring.lineno, docstring.value)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                words = node.name.removeprefix("test_").replace("_", " ")
                yield Sentence("source", name, node.lineno, words[0].upper() + words[1:])
    if name.startswith("src/"):
        inside = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)} - {
            node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
        }
        for node in ast.walk(tree):
            if node not in docstrings and node not in inside and (spoken := _spoken(node)):
                yield from _split("help", name, node.lineno, spoken)  # type: ignore[attr-defined]  # strings have a line


def _is_help(name: str) -> bool:
    """True if callers see the docstrings of a file, as help of a command or in the OpenAPI document."""
    return name.startswith("src/bunbase/cli/") or "/routes" in name


def _spoken(node: ast.AST) -> str:
    """Return the text of a string that looks like a sentence, with … for inserted values.

    Otherwise return an empty string.
    """
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
        text = "".join(map(str, parts))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    else:
        return ""
    return text if re.match(r"[A-Z…`][^\n]* [^\n]* ", text) and text.rstrip().endswith((".", "?", "!")) else ""


def _of_script(name: str, text: str) -> Iterator[Sentence]:
    yield from _blocks(name, re.finditer(r"/\*\*?.*?\*/", text, re.S), r"^\s*/?\*+/?\s?")
    yield from _blocks(name, re.finditer(r"(?:^[ \t]*//.*\n)+|(?<=[\s;{,)])// .*\n", text, re.M), r"^\s*//\s?")


def _of_markdown(name: str, text: str) -> Iterator[Sentence]:
    text = re.sub(r"^```.*?^```", lambda found: "\n" * found[0].count("\n"), text, flags=re.S | re.M)
    for number, paragraph in _paragraphs(text):
        yield from _split("docs", name, number, paragraph)


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    number = 1
    for part in re.split(r"(\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.|#+) ))", text):
        if part.strip():
            yield number, re.sub(r"^\s*(?:[-*|]|\d+\.|#+) ", "", part)
        number += part.count("\n")


def _blocks(name: str, found: Iterator[re.Match[str]], margin: str) -> Iterator[Sentence]:
    for match in found:
        line = match.string.count("\n", 0, match.start()) + 1
        yield from _split("source", name, line, re.sub(margin, "", match[0], flags=re.M).replace("*/", ""))


def _joined(name: str, comments: list[tuple[int, str]]) -> Iterator[Sentence]:
    """Yield the sentences of comments. Comments on consecutive lines count as one text."""
    start, text, last = 0, "", -1
    for line, part in [*comments, (1 << 30, "")]:
        if line != last + 1:
            if text:
                yield from _split("source", name, start, text)
            start, text = line, ""
        text, last = f"{text}\n{part}" if text else part, line


def _split(kind: str, name: str, line: int, text: str) -> Iterator[Sentence]:
    for part in _ENDS.split(text):
        words = " ".join(part.split())
        if " " in words:
            yield Sentence(kind, name, line, words)
        line += part.count("\n")


def main() -> int:
    """Print the sentences with forbidden openings, or a sample. Return the exit status."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument(
        "--sample", type=int, help="how many sentences to draw; without this option all sentences are checked"
    )
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--of", choices=("source", "help", "docs"), default="source")
    asked.add_argument("--most", type=int, default=0, help="fail only above this number of forbidden openings")
    asked.add_argument("--below", default="", help="only files whose path starts with this")
    options = asked.parse_args()
    found = [sentence for sentence in sentences() if sentence.path.startswith(options.below)]
    if options.sample is not None:
        of_kind = [sentence for sentence in found if sentence.kind == options.of]
        chosen = random.Random(options.seed).sample(of_kind, min(options.sample, len(of_kind)))
    else:
        chosen = [sentence for sentence in found if sentence.forbidden or sentence.bare]
    for sentence in chosen if options.sample is not None or len(chosen) > options.most else ():
        print(f"{sentence.path}:{sentence.line}: {sentence.text}")
    if options.sample is None and len(chosen) > options.most:
        print(
            f"{len(chosen)} statements begin with {', '.join(FORBIDDEN)}, or describe a field without a noun "
            "(`bytes`: of the body → `bytes`: the size of the body): CONTRIBUTING.md says how to write them."
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
