"""The command reads `.env` files in the same way as other tools, and skips no line without a message."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.cli.env_files import _variables, read_env_file
from bunbase.cli.env_pull import _git_would_commit, env_text
from bunbase.cli.errors import Usage
from bunbase.contracts.functions.variables import Variable

PATH = Path(".env")
TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("\n# note\n  export A = 1 \n", {"A": "1"}),
        ("A=a b  # note", {"A": "a b"}),
        ("A=a#b", {"A": "a#b"}),
        ("A=", {"A": ""}),
        ("A=# note\nB=2", {"A": "", "B": "2"}),
        ("A= # note\nB=2", {"A": "", "B": "2"}),
        ("A=''\nB=\"\"", {"A": "", "B": ""}),
        ("A='$B \\n # x' # note", {"A": "$B \\n # x"}),
        ('A="x\\ny \\"z\\" \\$B \\q"', {"A": 'x\ny "z" $B \\q'}),
        ('A="two\nlines"\nB=2', {"A": "two\nlines", "B": "2"}),
        ("A=$B${C}", {"A": "$B${C}"}),
        ("A=it's", {"A": "it's"}),
        ("A=1\nA=2", {"A": "2"}),
        ("URL=postgres://u:p@h/d?x=1&y=2", {"URL": "postgres://u:p@h/d?x=1&y=2"}),
        ("A=\n\n\nB=2", {"A": "", "B": "2"}),
    ],
)
def test_variables_of_an_env_file(text: str, variables: dict[str, str]) -> None:
    assert _variables(text, PATH) == variables


@pytest.mark.parametrize(
    ("text", "line"),
    [("A", 1), ("A=1\nnonsense\n", 2), ("1A=1", 1), ('A="open\nB=2', 1), ("A=1\n\nB='x' y", 3), ("A-B=1", 1)],
)
def test_a_line_that_cannot_be_read_is_named_without_its_content(text: str, line: int) -> None:
    with pytest.raises(Usage) as refused:
        _variables(text, PATH)

    assert f"line {line}:" in refused.value.detail
    assert "nonsense" not in refused.value.detail


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text(), max_size=5))
def test_every_value_survives_between_double_quotes(variables: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return value.replace("\\", "\\\\").replace('"', '\\"')

    text = "".join(f'{name}="{quoted(value)}"\n' for name, value in variables.items())

    assert _variables(text, PATH) == variables


@given(st.text("A= '\"\\#\n\r\t$x", max_size=200))
def test_every_text_is_read_or_refused(text: str) -> None:
    with suppress(Usage):
        assert all(_variables(text, PATH))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_change_the_variables(tmp_path: Path, end: str) -> None:
    path = tmp_path / ".env"
    path.write_bytes('A=1\nKEY="BEGIN\nEND"\n# note\nB=\'x\ny\'\nC="\\r\\n"\n'.replace("\n", end).encode())

    assert read_env_file(path) == {"A": "1", "KEY": "BEGIN\nEND", "B": "x\ny", "C": "\r\n"}


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("\ufeffA=1\n")

    assert read_env_file(tmp_path / ".env") == {"A": "1"}


@pytest.mark.parametrize("content", [None, b"", b"# only a comment\n", b"\xff\xfeA\x00"])
def test_a_file_without_variables_is_a_usage_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / ".env").write_bytes(content)

    with pytest.raises(Usage) as refused:
        read_env_file(tmp_path / ".env")

    assert str(tmp_path / ".env") in refused.value.detail


def test_a_shell_that_reads_a_pulled_value_runs_nothing(tmp_path: Path) -> None:
    values = {"A": f"it's `touch {tmp_path}/a`", "B": f"$(touch {tmp_path}/b)'", "C": f"`touch {tmp_path}/c`"}
    file = tmp_path / ".env"
    file.write_text(env_text([Variable(name, TIME, value=value) for name, value in values.items()]))

    subprocess.run(["sh", "-c", f". {file}"], check=True)

    assert not {"a", "b", "c"} & {one.name for one in tmp_path.iterdir()}
    assert read_env_file(file) == values


def test_a_repository_that_git_refuses_still_counts_as_one(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()

    assert _git_would_commit(tmp_path / ".env")
