"""Bundoc runs in a separate process, which is started before the disk with its data is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import instance as instances
from tests.e2e.conftest import new_database
from tests.e2e.instance import STOP_SECONDS, Instance, poll


def test_bundoc_refuses_to_start_on_an_empty_directory_instead_of_its_own(
    home: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, Bundoc started there, answered 404 for existing documents, and accepted writes from revision 1."""
    rooms = {"data": ("bundoc",), "bunkms": ("bunkms",), "users": ("tenant_auth", "functions", "storage")}
    monkeypatch.setitem(instances.SEVERAL, "keys", rooms)
    instance = Instance("keys", home, new_database(postgres))
    try:
        instance.spawn_all()  # Bundoc starts first, and waits for BunKMS, which knows its directory.
        poll(lambda: '"ready"' in instance.log("data"), STOP_SECONDS * 2, "bundoc is ready")

        args, environment = instance.commands["data"]
        lost = instance.processes.pop("data")
        lost.terminate()
        assert lost.wait(STOP_SECONDS) == 0
        instance.commands["data"] = (args, environment | {"BUNBASE_DATA_DIR": str(home / "not-mounted")})
        instance._spawn("data")

        assert instance.processes.pop("data").wait(STOP_SECONDS * 2) == 1
        assert "but the documents of this installation are in the directory with the id" in instance.log("data")
    finally:
        instance.close()
