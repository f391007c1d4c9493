"""The tables of docs/javascript.md are right, and the package has the contents that the guide describes."""

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


def test_the_package_has_modules_sources_a_readme_and_the_license_and_no_tests(tmp_path: Path) -> None:
    """Each module is an empty file in this test, because the compiler takes seconds.

    `make sdk` packs the real modules.
    """
    copy = copied(SDK, tmp_path)
    modules = sorted(path.relative_to(SDK / "src").with_suffix("") for path in (SDK / "src").rglob("*.ts"))
    for module in modules:
        made = copy / "dist" / module
        made.parent.mkdir(parents=True, exist_ok=True)
        made.with_suffix(".js").touch()

    subprocess.run(["npm", "run", "--silent", "license"], cwd=copy, check=True, timeout=60)
    packed = files_of(copy, "--ignore-scripts")

    both = {f"{folder}/{module}{ending}" for folder, ending in (("src", ".ts"), ("dist", ".js")) for module in modules}
    assert packed == both | {"LICENSE", "README.md", "package.json"}
    entries = msgspec.json.decode((SDK / "package.json").read_bytes())["exports"]
    assert {entry["default"][2:] for entry in entries.values() if isinstance(entry, dict)} <= packed


def test_the_package_of_the_types_for_functions_has_the_license(tmp_path: Path) -> None:
    copy = copied(ROOT / "packages/functions", tmp_path)

    packed = files_of(copy)

    assert packed == {"LICENSE", "README.md", "index.d.ts", "package.json", "webhooks.ts"}
    assert not (copy / "LICENSE").exists()


def copied(package: Path, folder: Path) -> Path:
    """Copy a package to a folder that has the license where the repository has it."""
    shutil.copy(ROOT / "LICENSE", folder)
    ignored = shutil.ignore_patterns("dist", "node_modules", "LICENSE")
    return Path(shutil.copytree(package, folder / package.relative_to(ROOT), ignore=ignored))


def files_of(package: Path, *options: str) -> set[str]:
    """Return the names of the files that `npm pack` packs."""
    packing = ["npm", "pack", "--dry-run", "--json", *options]
    said = subprocess.run(packing, cwd=package, capture_output=True, text=True, timeout=60, check=True)
    (packed,) = msgspec.json.decode(said.stdout, type=list[Package])
    return {file["path"] for file in packed.files}
