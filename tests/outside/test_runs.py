"""The runs of `make outside`, without a suite of others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.outside import __main__ as outside
from tests.outside.project import Project, program
from tests.outside.tally import Tally

HERE = Path(outside.__file__).parent


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run no server, and install no tool."""
    monkeypatch.setattr(outside, "running_project", _NoProject)
    monkeypatch.setattr(outside, "_install_tools", lambda: None)
    monkeypatch.setattr(outside, "SUITES", tmp_path)


class _NoProject:
    def __enter__(self) -> None:
        """Start nothing."""

    def __exit__(self, *_: object) -> None:
        """Stop nothing."""


def broken(_: Project) -> Iterable[Tally]:
    yield Tally("first part", passed=1)
    raise subprocess.CalledProcessError(1, "tool")


@pytest.mark.usefixtures("nowhere")
def test_a_suite_that_breaks_off_is_a_failure_and_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {"broken": ("", broken), "good": ("", lambda _: [Tally("good", passed=2)])}
    monkeypatch.setattr(outside, "RUNS", runs)

    code = outside.main([])

    text = capsys.readouterr().out
    assert code == 1
    assert "first part: run 1, pass 1" in text
    assert "broken: run 1, pass 0, known 0, fail 1" in text
    assert "good: run 2, pass 2" in text


@pytest.mark.usefixtures("nowhere")
def test_a_run_without_failures_exits_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "RUNS", {"good": ("", lambda _: [Tally("good", passed=2)])})

    assert outside.main([]) == 0


def test_a_program_of_the_suites_imports_none_of_our_files(tmp_path: Path) -> None:
    """Before, `cel.py` of this folder hid the package `cel` of cel-spec, and the run ended."""
    file = tmp_path / "program.py"
    file.write_text("import sys; print(sys.path)")
    (tmp_path / "json.py").write_text("raise ImportError('ours')")

    printed = subprocess.run(
        program(Path(sys.executable), file), capture_output=True, text=True, check=True, timeout=60
    ).stdout

    assert str(tmp_path) not in printed
