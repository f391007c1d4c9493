from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bunbase.contracts.functions.problems import FunctionsUnavailable
from bunbase.functions.module import MODULE
from bunbase.functions.sandbox import switch
from bunbase.functions.sandbox.bun_files import interpreter_of
from bunbase.functions.sandbox.confine import Confinement
from bunbase.functions.sandbox.layers import REQUIRED, ConfineWith, Layers, layers_here
from bunbase.functions.sandbox.switch import Switch
from bunbase.functions.settings import FunctionsSettings
from bunbase.functions.workers.launch import RUNTIME
from bunbase.pkg.bun import find_bun
from tests.functions.calls import MEMBER, bundle, call, deploy, returning
from tests.functions.neighbours import neighbours
from tests.functions.sandbox.ground import NEEDS_BUBBLEWRAP
from tests.rooms import opened, site

WITHOUT = Layers(0, {"landlock": "the kernel has no Landlock", "seccomp": "", "rlimits": "", "user": ""})


def test_this_machine_has_every_required_layer() -> None:
    found = layers_here(RUNTIME)

    assert found.refusal == ""
    assert {found.files, *REQUIRED} <= set(found.active)
    assert ("user" in found.active) == (os.geteuid() == 0)


def test_the_refusal_without_landlock_explains_how_to_switch_landlock_on() -> None:
    assert "the kernel has no Landlock" in WITHOUT.refusal
    assert "lsm=landlock" in WITHOUT.refusal


def test_the_refusal_names_both_ways_to_confine_files_if_neither_works() -> None:
    neither = Layers(
        0, {"landlock": "no Landlock", "bubblewrap": "bwrap is not installed", "seccomp": "", "rlimits": ""}
    )

    assert "lsm=landlock" in neither.refusal
    assert "install bubblewrap" in neither.refusal
    assert neither.files == ""


def test_landlock_is_preferred_and_bubblewrap_is_the_fallback() -> None:
    both = Layers(7, {"landlock": "", "bubblewrap": "", "seccomp": "", "rlimits": "", "namespaces": ""}, "/bin/bwrap")
    fallback = Layers(0, {**both.layers, "landlock": "no Landlock"}, "/bin/bwrap")

    assert (both.files, both.refusal, both.confinement(64).bubblewrap) == ("landlock", "", "")
    assert "bubblewrap" not in both.active
    assert both.confinement(64).namespaces
    assert (fallback.files, fallback.refusal, fallback.confinement(64).bubblewrap) == ("bubblewrap", "", "/bin/bwrap")
    assert fallback.active == ("bubblewrap", "seccomp", "rlimits", "namespaces")
    assert not fallback.confinement(64).namespaces  # bubblewrap makes the namespaces itself.


def test_bubblewrap_without_seccomp_is_refused() -> None:
    assert "seccomp: no filters" in Layers(0, {"bubblewrap": "", "seccomp": "no filters", "rlimits": ""}, "x").refusal


# This imitates a kernel without Landlock: a seccomp filter answers for it, in this process and its children.
WITHOUT_LANDLOCK = """
import json, sys
from bunbase.pkg.sandbox.bpf import EQUAL, NUMBER, give, load, skip
from bunbase.functions.sandbox.layers import ConfineWith, layers_here
from bunbase.pkg.sandbox.filters import ALLOW, UNKNOWN, install
from bunbase.pkg.sandbox.syscalls import this_machine
from bunbase.functions.workers.launch import RUNTIME
machine = this_machine()
create = machine.numbers["landlock_create_ruleset"]
install([load(NUMBER), skip(EQUAL, create, 0, 1), give(UNKNOWN), give(ALLOW)], machine)
found = layers_here(RUNTIME, ConfineWith(sys.argv[1]))
print(json.dumps([found.files, found.layers["landlock"], found.refusal]))
"""


def without_landlock(wanted: ConfineWith, **environment: str) -> tuple[str, str, str]:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, wanted],
        capture_output=True, text=True, check=True, timeout=60, env={**os.environ, **environment},
    )  # fmt: skip
    files, landlock, refusal = json.loads(said.stdout)
    return files, landlock, refusal


@NEEDS_BUBBLEWRAP
def test_a_kernel_without_landlock_falls_back_on_bubblewrap() -> None:
    assert without_landlock(ConfineWith.AUTO) == (
        "bubblewrap",
        "the kernel has no Landlock, or it is not switched on",
        "",
    )


def test_a_kernel_without_landlock_is_refused_if_the_settings_require_landlock() -> None:
    files, _, refusal = without_landlock(ConfineWith.LANDLOCK)

    assert files == ""
    assert "lsm=landlock" in refusal
    assert "bubblewrap" not in refusal


@pytest.mark.parametrize("bwrap", ["/bin/false", "/bin/echo", "/nowhere/bwrap"])
def test_a_bubblewrap_that_does_not_confine_does_not_count_as_a_layer(bwrap: str) -> None:
    files, _, refusal = without_landlock(ConfineWith.AUTO, BUNBASE_BWRAP=bwrap)

    assert files == ""
    assert "bubblewrap: " in refusal
    assert "bwrap is not installed" not in refusal


# This has the effect of `sysctl user.max_user_namespaces=0`, but only in this process and its children.
WITHOUT_NAMESPACES = """
import os
from bunbase.pkg.sandbox.kernel import unshare
from bunbase.functions.sandbox.layers import ConfineWith, layers_here
from bunbase.functions.workers.launch import RUNTIME
user, group = os.getuid(), os.getgid()
unshare(0x10000000)
for name, said in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(said)
with open("/proc/sys/user/max_user_namespaces", "w") as file:
    file.write("0")
print(layers_here(RUNTIME, ConfineWith.BUBBLEWRAP).refusal)
"""


@NEEDS_BUBBLEWRAP
def test_bubblewrap_does_not_count_if_users_may_not_create_namespaces() -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_NAMESPACES], capture_output=True, text=True, check=True, timeout=60
    )

    assert said.stdout.startswith("bubblewrap: ")
    assert "allow all users to create user namespaces" in said.stdout


@NEEDS_BUBBLEWRAP
async def test_functions_run_in_bubblewrap_if_the_settings_require_it(database_url: str, tmp_path: Path) -> None:
    settings = FunctionsSettings(confine_with=ConfineWith.BUBBLEWRAP)
    async with opened(MODULE, neighbours(), site(tmp_path, database_url), settings=settings) as functions:
        await deploy(functions, "f", returning("confined"))

        assert (await call(functions, "f")).body == b"confined"
        layers = await functions.sandbox_layers()

    assert {"bubblewrap", "seccomp", "rlimits", "namespaces"} <= set(layers)
    assert "landlock" not in layers


def test_a_layer_that_was_not_tried_does_not_count() -> None:
    assert "seccomp" in Layers(7, {"landlock": ""}).refusal


# This runs in a separate process, as in the server. A fork of a process with threads may wait for a lock forever.
OUTCOME = """
import errno, os
from bunbase.functions.sandbox.probe import outcome, refused
print(outcome(lambda: {trial}))"""


@pytest.mark.parametrize(
    ("trial", "reason"),
    [
        ('refused("the door was open", errno.EACCES, lambda: None)', "the door was open"),
        (
            'refused("the door jammed", errno.EACCES, lambda: os.listdir("/nowhere/at/all"))',
            "the door jammed: No such file or directory",
        ),
        ("os.kill(os.getpid(), 9)", "the trial was killed"),
        ("None", ""),
    ],
)
def test_a_probe_whose_attack_succeeds_reports_a_broken_layer(trial: str, reason: str) -> None:
    code = OUTCOME.format(trial=trial)

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert said.stdout.strip() == reason


async def test_deployments_are_refused_if_the_machine_cannot_confine_functions(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "layers_here", lambda *_: WITHOUT)
    async with opened(MODULE, neighbours(), site(tmp_path, database_url)) as functions:
        with pytest.raises(FunctionsUnavailable, match=r"no Landlock.*bunbase doctor"):
            await functions.deploy(MEMBER, "f", bundle(returning("x")))

        assert await functions.sandbox_layers() == ()
        assert functions.starter.alive == set()


async def test_functions_run_unconfined_if_the_sandbox_is_switched_off(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(switch, "layers_here", lambda *_: WITHOUT)
    settings = FunctionsSettings(sandbox=Switch.OFF, prewarmed=0)
    async with opened(MODULE, neighbours(), site(tmp_path, database_url), settings=settings) as functions:
        await deploy(functions, "f", returning("trusted"))

        assert (await call(functions, "f")).body == b"trusted"
        assert await functions.sandbox_layers() == ()


async def test_a_worker_that_cannot_be_confined_is_not_started(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FunctionsSettings(prewarmed=0)
    async with opened(MODULE, neighbours(), site(tmp_path, database_url), settings=settings) as functions:
        await deploy(functions, "f", returning("confined all the same"))
        monkeypatch.setattr(functions.starter.sandbox, "confinement", impossible_confinement)

        with pytest.raises(FunctionsUnavailable, match="could not be confined"):
            await functions.deploy(MEMBER, "g", bundle(returning("x")))


async def impossible_confinement(_memory_mb: int) -> Confinement:
    return Confinement(memory_mb=1 << 60, abi=7, own_user=False, namespaces=False)


def test_the_path_of_the_dynamic_loader_is_read_from_the_executable() -> None:
    assert Path(interpreter_of(str(find_bun()))).name.startswith("ld-")
