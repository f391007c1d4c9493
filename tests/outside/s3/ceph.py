"""ceph/s3-tests: the tests of an S3 server by the authors of Ceph, with their own assertions.

`ceph.toml` has the selection: the tests that are left out, each with the reason that docs/s3.md names. If versitygw
is in the folder of the suites, the same selection runs against it, for comparison.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import msgspec

from tests.outside.s3.target import Target
from tests.outside.tally import Tally

HERE: Final = Path(__file__).parent
FILES: Final = ("s3tests/functional/test_s3.py", "s3tests/functional/test_headers.py")
RUN_SECONDS: Final = 1800.0
CONFIG: Final = """
[DEFAULT]
host = {host}
port = {port}
is_secure = False
ssl_verify = False
[fixtures]
bucket prefix = bun-{{random}}-
iam name prefix = s3-tests-
iam path prefix = /s3-tests/
[s3 main]
display_name = {main_owner}
user_id = {main_owner}
email = main@example.com
api_name = us-east-1
access_key = {main}
secret_key = {main_secret}
[s3 alt]
display_name = {alt_owner}
user_id = {alt_owner}
email = alt@example.com
access_key = {alt}
secret_key = {alt_secret}
[s3 tenant]
display_name = {alt_owner}
user_id = {alt_owner}
email = alt@example.com
tenant = none
access_key = {alt}
secret_key = {alt_secret}
[iam]
display_name = {alt_owner}
user_id = {alt_owner}
email = alt@example.com
access_key = {alt}
secret_key = {alt_secret}
[iam root]
user_id = {alt_owner}
email = alt@example.com
access_key = {alt}
secret_key = {alt_secret}
[iam alt root]
user_id = {alt_owner}
email = alt@example.com
access_key = {alt}
secret_key = {alt_secret}
"""


class LeftOut(msgspec.Struct, frozen=True):
    """A reason to leave tests out. `markers`, `words`: of the suite, by which whole groups of tests are left out.

    `tests`: single tests that would fail.
    """

    reason: str
    markers: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


def left_out() -> tuple[LeftOut, ...]:
    """Return the reasons of ceph.toml."""
    data = tomllib.loads((HERE / "ceph.toml").read_text("utf-8"))
    return msgspec.convert(data["left_out"], tuple[LeftOut, ...])


def run(suites: Path, target: Target, python: Path) -> Tally:
    """Return the results of the selection. `python`: the interpreter of an environment with boto3 and pytest."""
    suite = suites / "s3-tests"
    reasons = left_out()
    markers = " or ".join(marker for one in reasons for marker in one.markers)
    words = " or ".join(word for one in reasons for word in one.words)
    report, config = suite / "report.xml", suite / "bunbase.conf"
    report.unlink(missing_ok=True)
    config.write_text(
        CONFIG.format(
            host=target.host,
            port=target.port,
            main_owner=target.main.owner,
            alt_owner=target.alt.owner,
            main=target.main.access_key,
            main_secret=target.main.secret,
            alt=target.alt.access_key,
            alt_secret=target.alt.secret,
        ),
        "utf-8",
    )
    subprocess.run(
        [
            *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}"),
            *("-m", f"not ({markers})", "-k", f"not ({words})", *FILES),
        ],
        cwd=suite,
        env={**os.environ, "S3TEST_CONF": str(config)},
        stdout=subprocess.DEVNULL,
        check=False,  # it exits with 1 if a test fails
        timeout=RUN_SECONDS,
    )
    tally = Tally(f"ceph/s3-tests, {target.name}")
    known = {test: one.reason for one in reasons for test in one.tests}
    for case in ElementTree.parse(report).iter("testcase"):
        _count(tally, case, known)
    for test in known:
        tally.check(False, test, "ceph.toml names this test, but it is not in the selection")
    return tally


def _count(tally: Tally, case: ElementTree.Element, known: dict[str, str]) -> None:
    name = case.get("name", "")
    reason = known.pop(name, "")
    skipped, failed = case.find("skipped"), case.find("failure")
    failed = case.find("error") if failed is None else failed
    if skipped is not None:
        tally.skipped[(skipped.get("message") or "").removeprefix("Skipped: ")] += 1
    elif failed is None:
        # a test that passes although the docs call its subject unsupported: the docs are wrong
        tally.check(not reason, name, f"passes, but ceph.toml names it: {reason}")
    elif reason:
        tally.known[reason] += 1
    else:
        found = [line[1:].strip() for line in (failed.text or "").splitlines() if line.startswith("E ")]
        tally.check(False, name, " ".join(found))
