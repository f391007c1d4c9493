"""`bunbase users import` and `export`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.cli.conftest import Bunbase
from tests.cli.fake_api import FakeApi
from tests.pkg.user_imports.test_systems import CONSOLE, FIREBASE_USER


def test_users_of_firebase_are_checked_imported_and_skipped_the_second_time(
    in_project: FakeApi, bunbase: Bunbase, tmp_path: Path
) -> None:
    file, config = tmp_path / "users.json", tmp_path / "hash-config.txt"
    file.write_bytes(msgspec.json.encode({"users": [FIREBASE_USER, {"localId": "two", "email": "two@example.com"}]}))
    words = ("users", "import", str(file), "--from", "firebase", "--hash-config", str(config))
    missing = bunbase(*words)
    config.write_text(CONSOLE)

    dry = bunbase(*words, "--dry-run", "--json")
    before = dict(in_project.users)
    first = bunbase(*words, "--json")
    again = bunbase(*words)

    assert missing.code == 2
    assert (dry.code, dry.document["imported"], before) == (0, 2, {})
    assert (first.document["imported"], list(in_project.users)) == (2, [FIREBASE_USER["localId"], "two"])
    assert (again.code, [line.split() for line in again.out.splitlines()[:3]][2]) == (0, ["skipped", "2"])
    assert bunbase("users", "get", "two", "--json").document["email"] == "two@example.com"
    assert not (tmp_path / "users.json.refused.ndjson").exists()


def test_refused_users_are_shown_and_kept_in_a_file_that_can_be_corrected_and_imported(
    in_project: FakeApi, bunbase: Bunbase, tmp_path: Path
) -> None:
    file, kept = tmp_path / "users.ndjson", tmp_path / "users.ndjson.refused.ndjson"
    good = b"".join(b'{"id":"u%d"}\n' % at for at in range(1200))
    file.write_bytes(b'\xef\xbb\xbf{"id":"first"}\n\n{"id":"bad","email":"nothing"}\n' + good + b'{"name":"Eve"}\n')

    done = bunbase("users", "import", str(file), "--json")
    again = bunbase("users", "import", str(file))
    kept_lines = kept.read_bytes().splitlines()
    kept.write_bytes(b'{"id":"bad","email":"eve@example.com"}\n')
    corrected = bunbase("users", "import", str(kept), "--json")

    told = msgspec.json.decode(done.out)
    assert done.code == 1
    assert [(one["line"], one["code"]) for one in told["errors"]] == [(3, "invalid_input"), (1204, "invalid_input")]
    assert (told["imported"], told["failed"], told["last_line"]) == (1201, 2, 1204)
    assert kept_lines == [b'{"id":"bad","email":"nothing"}', b'{"name":"Eve"}']
    assert kept.stat().st_mode & 0o077 == 0
    assert again.code == 2  # The second import does not overwrite the file of the first import.
    assert (corrected.code, corrected.document["imported"]) == (0, 1)


def test_a_dry_run_writes_no_file_and_a_file_that_exists_is_found_before_anything_is_sent(
    in_project: FakeApi, bunbase: Bunbase, tmp_path: Path
) -> None:
    file, kept = tmp_path / "users.ndjson", tmp_path / "users.ndjson.refused.ndjson"
    file.write_bytes(b'{"id":"first"}\n{"id":"bad","email":"nothing"}\n')

    dry = bunbase("users", "import", str(file), "--dry-run", "--json")
    made = kept.exists()
    kept.write_bytes(b"")
    refused = bunbase("users", "import", str(file), "--json")
    nowhere = bunbase("users", "import", str(file), "--refused", str(tmp_path / "none" / "x"), "--json")

    assert (dry.code, msgspec.json.decode(dry.out)["failed"], made) == (1, 1, False)
    assert (refused.problem["code"], nowhere.problem["code"]) == ("file_exists", "no_file")
    assert in_project.users == {}


def test_files_that_are_something_else_are_refused_before_anything_is_sent(
    in_project: FakeApi, bunbase: Bunbase, tmp_path: Path
) -> None:
    file = tmp_path / "users.json"
    file.write_text("hello")

    assert bunbase("users", "import", str(file), "--from", "supabase", "--json").problem["code"] == "unreadable_file"
    assert bunbase("users", "import", str(tmp_path / "none"), "--json").problem["code"] == "no_file"
    assert in_project.users == {}


def test_an_export_goes_to_a_private_file_or_to_standard_output(
    in_project: FakeApi, bunbase: Bunbase, tmp_path: Path
) -> None:
    in_project.add_user("u1", "eve@example.com")
    file = tmp_path / "users.ndjson"

    done = bunbase("users", "export", str(file), "--hashes", "--json")
    shown = bunbase("users", "export")

    assert (done.code, done.document["bytes"]) == (0, file.stat().st_size)
    assert file.stat().st_mode & 0o077 == 0
    assert msgspec.json.decode(file.read_bytes())["password_hash"].startswith("$2a$")
    assert msgspec.json.decode(shown.out) == {"id": "u1", "email": "eve@example.com"}
    assert bunbase("users", "export", str(file)).code == 2
