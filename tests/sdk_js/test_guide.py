"""The tables of docs/javascript.md are true, and the package has what the guide says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.sdk_js.sites import ROOT, SDK
from tests.sdk_js.test_surface import BYTES

GUIDE: Final = ROOT / "docs/javascript.md"
CODE: Final = re.compile(r"`([a-z_]+)`")
SIZE: Final = re.compile(r"^\| `bunbase-js(/\w+)?` \| ([\d,]+) \|", re.MULTILINE)


class Package(msgspec.Struct):
    files: list[dict[str, Any]]


def section(title: str) -> str:
    """Return the part of the guide below a heading."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_codes_of_the_guide_are_codes_of_the_client() -> None:
    rows = [line.split("|")[1] for line in section("Errors").splitlines() if line.startswith("| `")]
    named = {code for row in rows for code in CODE.findall(row)}

    known = set(re.findall(r'"(\w+)"', (SDK / "src/problem_codes.ts").read_text("utf-8")))
    assert len(named) > 15
    assert named - known == set()


def test_the_sizes_of_the_guide_are_the_limits_that_are_tested() -> None:
    sizes = {
        f"{entry[1:]}/index" if entry else "index": int(size.replace(",", ""))
        for entry, size in SIZE.findall(section("Sizes"))
    }

    assert sizes == BYTES


def test_the_package_has_modules_sources_and_a_readme_and_no_tests(tmp_path: Path) -> None:
    """Each module is an empty file here, because the compiler takes seconds; `make sdk` packs what it makes."""
    shutil.copytree(SDK, tmp_path / "js", ignore=shutil.ignore_patterns("dist", "node_modules"))
    modules = sorted(path.relative_to(SDK / "src").with_suffix("") for path in (SDK / "src").rglob("*.ts"))
    for module in modules:
        made = tmp_path / "js/dist" / module
        made.parent.mkdir(parents=True, exist_ok=True)
        made.with_suffix(".js").touch()
    packing = ["npm", "pack", "--dry-run", "--ignore-scripts", "--json"]

    said = subprocess.run(packing, cwd=tmp_path / "js", capture_output=True, text=True, timeout=60, check=True)

    (package,) = msgspec.json.decode(said.stdout, type=list[Package])
    packed = {file["path"] for file in package.files}
    both = {f"{folder}/{module}{ending}" for folder, ending in (("src", ".ts"), ("dist", ".js")) for module in modules}
    assert packed - {"LICENSE"} == both | {"README.md", "package.json"}
    entries = msgspec.json.decode((SDK / "package.json").read_bytes())["exports"]
    assert {entry["default"][2:] for entry in entries.values() if isinstance(entry, dict)} <= packed
