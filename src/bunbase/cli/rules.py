"""`bunbase rules`: test a project's access rules, and apply them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from bunbase.cli import tables
from bunbase.cli.chosen import needed_project
from bunbase.cli.flags import PROJECT_FLAGS, ProjectFlags
from bunbase.cli.http import Call
from bunbase.cli.output import Output
from bunbase.cli.plans.pushing import push_collections
from bunbase.cli.plans.wanted import only_rules, rules_in
from bunbase.cli.project_file import read_project_file
from bunbase.cli.rule_coverage import Covered, lines, merge_runs, percent, summary
from bunbase.cli.rule_files import TestCase, has_rules_file, read_rules, read_tests, test_files
from bunbase.cli.session import Session, open_session
from bunbase.contracts.bundoc.collections import Rules, RuleWarning

TEST_SECONDS = 60.0
FAILED = 1

File = Annotated[
    Path, Parameter(help="The test files. Default: rules.test.toml, rules/*.test.toml, and the same names with .json.")
]
RulesFile = Annotated[
    Path | None,
    Parameter(name="--rules", show_default=False, help="The file with the rules. Default: rules.toml or bunbase.toml."),
]
MinCoverage = Annotated[float, Parameter(help="Fail if the cases cover less than this percentage of the conditions.")]
Verbose = Annotated[
    bool, Parameter(negative="", show_default=False, help="Also list every condition that the cases do not cover.")
]

app = App(name="rules", help="Test and apply a project's access rules.")


class Decision(msgspec.Struct, frozen=True):
    allowed: bool
    hidden: list[str]
    trace: list[dict[str, Any]]


class Decisions(msgspec.Struct, frozen=True):
    items: tuple[Decision, ...]
    coverage: tuple[Covered, ...]
    warnings: tuple[RuleWarning, ...] = ()


class Verdict(msgspec.Struct, frozen=True):
    """The result of one case: the expected and the actual decision."""

    file: str
    name: str
    ok: bool
    expected: str
    decided: str
    trace: list[dict[str, Any]]


@app.command(name="test")
def run_tests(
    *files: File,
    rules: RulesFile = None,
    min_coverage: MinCoverage = 0.0,
    verbose: Verbose = False,
    flags: ProjectFlags = PROJECT_FLAGS,
) -> int:
    """Run test files against the rules. Show how many conditions of each rule the cases cover, and the failed cases.

    The active rules do not change. The command warns about list rules for which the project has no index.

    Example: bunbase rules test --min-coverage 90
    """
    out = Output(flags.json)
    asked = _rules(rules)
    cases = [(path, read_tests(path)) for path in test_files(files)]
    verdicts: list[Verdict] = []
    runs: list[tuple[Covered, ...]] = []
    warnings: dict[str, RuleWarning] = {}
    with open_session(flags) as session:
        project = needed_project(flags.project, session)
        for path, file in cases:
            body = {"rules": asked, "documents": file.documents, "cases": [case.asked() for case in file.case]}
            found = _ask(session, project, Decisions, "POST", "/v1/rules/test", body)
            pairs = zip(file.case, found.items, strict=True)
            verdicts += [_verdict(str(path), case, decision) for case, decision in pairs]
            runs.append(found.coverage)
            warnings |= {one.collection: one for one in found.warnings}
    coverage = merge_runs(runs)
    reached = percent(coverage)
    failed = [verdict for verdict in verdicts if not verdict.ok]
    if flags.json:
        missing = [rule for rule in coverage if rule.missing]
        out.document(
            {
                "items": verdicts,
                "failed": len(failed),
                "coverage": round(reached, 1),
                "uncovered": missing,
                "warnings": list(warnings.values()),
            }
        )
    else:
        _warn(out, warnings.values())
        _show(out, verdicts, coverage, reached, verbose)
    if not failed and reached < min_coverage:
        out.warn(f"{reached:.1f} % of the conditions were covered; at least {min_coverage:g} % are required.")
    return FAILED if failed or reached < min_coverage else 0


@app.command
def push(*, rules: RulesFile = None, flags: ProjectFlags = PROJECT_FLAGS) -> int:
    """Apply the rules of rules.toml, or of bunbase.toml. Collections that the file does not name keep their rules.

    The command warns about changed list rules for which there is no index.

    Example: bunbase rules push
    """
    return push_collections(only_rules(_rules(rules)), (), flags)


def _warn(out: Output, warnings: Iterable[RuleWarning]) -> None:
    for one in warnings:
        out.warn(one.detail)


def _rules(named: Path | None) -> dict[str, Rules]:
    """Return the rules of the named file, else of rules.toml, else of `[collections.…]` in bunbase.toml."""
    if named is None and not has_rules_file() and (found := rules_in(read_project_file())):
        return found
    return read_rules(named)


def _ask(session: Session, project: str, kind: type[Any], method: str, path: str, body: Any) -> Any:
    headers = {"x-bunbase-project": project, "content-type": "application/json"}
    call = Call(method, path, headers=headers, content=msgspec.json.encode(body), seconds=TEST_SECONDS)
    return session.ask(kind, call)


def _verdict(file: str, case: TestCase, decision: Decision) -> Verdict:
    hides = "" if case.hidden is None else f", hides {_listed(case.hidden)}"
    hidden = "" if case.hidden is None else f", hides {_listed(decision.hidden)}"
    expected = case.expect + hides
    decided = ("allow" if decision.allowed else "deny") + hidden
    return Verdict(file, case.name, expected == decided, expected, decided, decision.trace)


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _show(out: Output, verdicts: list[Verdict], coverage: tuple[Covered, ...], reached: float, verbose: bool) -> None:
    """Print the summary, then the coverage, and then the failed cases. The terminal always shows the last lines."""
    failed = [verdict for verdict in verdicts if not verdict.ok]
    passed = f"{len(verdicts) - len(failed)} of {len(verdicts)} cases passed"
    covered = f"{reached:.1f} % of the conditions covered"
    out.line((passed, tables.BAD if failed else tables.GOOD), f"; {covered}.")
    if coverage:
        out.table(("collection", "rule", "covered"), summary(coverage))
    if verbose and (missing := lines(coverage)):
        out.table(("collection", "rule", "at", "was", "condition"), missing)
    elif any(rule.missing for rule in coverage):
        out.hint("To list the conditions that no case covers: bunbase rules test --verbose")
    for one in failed:
        _show_failed(out, one)


def _show_failed(out: Output, one: Verdict) -> None:
    out.line(("✗ ", tables.BAD), f"{one.file}: {one.name}: expected {one.expected}, got {one.decided}")
    for step in one.trace:
        out.line(f"    {step['expr']} → {step.get('error') or msgspec.json.encode(step.get('value')).decode()}")
