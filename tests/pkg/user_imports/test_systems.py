"""Files in the documented formats of other systems become lines of an import."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bunbase.contracts.tenant_auth.transfers import UserLine
from bunbase.pkg.user_imports.firebase import read_config
from bunbase.pkg.user_imports.lines import CannotRead, Line
from bunbase.pkg.user_imports.systems import Options, System, read_users

BCRYPT = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
UUID = "9f6f2f30-6c40-4a7a-9a53-3a8f0d6f4b11"
CONSOLE = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}"""
HASH = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE_USER: dict[str, Any] = {
    "localId": "kYi4EvWQlQTKSfnJ3dRSP6IH3ed2",
    "email": "user1@test.com",
    "emailVerified": True,
    "passwordHash": HASH,
    "salt": "42xEC+ixf3L2lw==",
    "displayName": "Test, User 1",
    "photoUrl": "https://example.com/1.png",
    "lastSignedInAt": "1508893925000",
    "createdAt": "1508893925000",
    "phoneNumber": "+15555550100",
    "disabled": False,
    "customAttributes": '{"role":"editor","plan":"paid"}',
    "providerUserInfo": [
        {"providerId": "google.com", "rawId": "110169484474386276334", "email": "user1@gmail.com"},
        {"providerId": "password", "rawId": "user1@test.com"},
    ],
}
FROM_FIREBASE: Line = {
    "id": "kYi4EvWQlQTKSfnJ3dRSP6IH3ed2",
    "email": "user1@test.com",
    "email_verified": True,
    "phone": "+15555550100",
    "phone_verified": True,
    "name": "Test, User 1",
    "password_hash": {
        "scheme": "firebase-scrypt",
        "hash": HASH,
        "salt": "42xEC+ixf3L2lw==",
        "signer_key": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        "salt_separator": "Bw==",
        "rounds": 8,
        "mem_cost": 14,
    },
    "role": "editor",
    "claims": {"plan": "paid"},
    "data": {"photo_url": "https://example.com/1.png"},
    "created_at": "2017-10-25T01:12:05+00:00",
    "last_sign_in_at": "2017-10-25T01:12:05+00:00",
    "identities": [{"provider": "google", "subject": "110169484474386276334", "email": "user1@gmail.com"}],
}


def read(system: System, file: Path, options: Options | None = None) -> list[Line | CannotRead]:
    found = list(read_users(system, file, options or Options(hash_config=read_config(CONSOLE))))
    for line in found:
        if not isinstance(line, CannotRead):
            msgspec.json.decode(msgspec.json.encode(line), type=UserLine)  # The server knows every field of the line.
    return found


def test_firebase_json_has_all_that_its_command_exports(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    plain = {"localId": "two", "disabled": True}
    file.write_bytes(msgspec.json.format(msgspec.json.encode({"users": [FIREBASE_USER, plain]})))

    assert read(System.FIREBASE, file) == [
        FROM_FIREBASE,
        {"id": "two", "email_verified": False, "phone_verified": False, "banned": True},
    ]


def test_firebase_csv_gives_the_same_lines(tmp_path: Path) -> None:
    row = [""] * 28
    row[:7] = [
        *(FIREBASE_USER["localId"], FIREBASE_USER["email"], "true", HASH, FIREBASE_USER["salt"]),
        *(FIREBASE_USER["displayName"], FIREBASE_USER["photoUrl"]),
    ]
    row[7:9] = ["110169484474386276334", "user1@gmail.com"]
    row[23:28] = ["1508893925000", "1508893925000", "+15555550100", "false", FIREBASE_USER["customAttributes"]]
    written = io.StringIO()
    csv.writer(written).writerow([*row, ""])  # The command ends each row with a comma.
    file = tmp_path / "users.csv"
    file.write_text(written.getvalue() + "short,row\n")

    first, second = read(System.FIREBASE, file)

    assert first == FROM_FIREBASE
    assert isinstance(second, CannotRead)


def test_firebase_hashes_need_the_parameters_of_the_project(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    file.write_bytes(msgspec.json.encode({"users": [FIREBASE_USER]}))

    (refused,) = read(System.FIREBASE, file, Options())

    assert "--hash-config" in str(refused)
    assert read_config(CONSOLE) == read_config(
        '{"algorithm": "SCRYPT", "base64_signer_key": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKb'
        'm0QsEmYUSDzZvpjeJ9WmXA==", "base64_salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}'
    )
    for wrong in ("", "rounds: 8", CONSOLE.replace("SCRYPT", "BCRYPT")):
        with pytest.raises(CannotRead):
            read_config(wrong)


SUPABASE_USER: dict[str, Any] = {
    "id": UUID,
    "email": "eve@example.com",
    "encrypted_password": BCRYPT,
    "email_confirmed_at": "2024-01-02 03:04:05.678+00",
    "phone": "15551234567",
    "phone_confirmed_at": None,
    "raw_app_meta_data": {"provider": "email", "providers": ["email", "google"], "role": "editor", "plan": "paid"},
    "raw_user_meta_data": {"full_name": "Eve", "avatar_url": "https://example.com/a\\b.png"},
    "created_at": "2024-01-01 00:00:00+00",
    "last_sign_in_at": "2024-06-01 00:00:00+00",
    "banned_until": None,
    "is_anonymous": False,
    "deleted_at": None,
}
SUPABASE_IDENTITIES: list[dict[str, Any]] = [
    {"user_id": UUID, "provider": "email", "provider_id": UUID, "identity_data": {"sub": UUID}},
    {
        **{"user_id": UUID, "provider": "google", "provider_id": "1101", "email": "eve@gmail.com"},
        "identity_data": {"sub": "1101", "email": "eve@gmail.com"},
    },
    {"user_id": UUID, "provider": "azure", "id": "old-subject", "identity_data": {}},
]
FROM_SUPABASE: Line = {
    "id": UUID,
    "email": "eve@example.com",
    "email_verified": True,
    "phone": "+15551234567",
    "phone_verified": False,
    "name": "Eve",
    "password_hash": BCRYPT,
    "role": "editor",
    "claims": {"plan": "paid"},
    "data": SUPABASE_USER["raw_user_meta_data"],
    "created_at": "2024-01-01T00:00:00+00:00",
    "last_sign_in_at": "2024-06-01T00:00:00+00:00",
    "identities": [
        {"provider": "google", "subject": "1101", "email": "eve@gmail.com"},
        {"provider": "microsoft", "subject": "old-subject"},
    ],
}


def test_supabase_rows_as_json_may_hold_their_identities(tmp_path: Path) -> None:
    user = {**SUPABASE_USER, "identities": SUPABASE_IDENTITIES}
    deleted = {**SUPABASE_USER, "id": "gone", "deleted_at": "2024-01-01 00:00:00+00"}
    whole, lines = tmp_path / "users.json", tmp_path / "users.ndjson"
    whole.write_bytes(msgspec.json.encode([user, deleted]))
    lines.write_bytes(msgspec.json.encode(user) + b"\n" + msgspec.json.encode(deleted) + b"\n")

    assert read(System.SUPABASE, whole) == read(System.SUPABASE, lines) == [FROM_SUPABASE]


def as_text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def test_supabase_csv_has_the_identities_in_a_second_file(tmp_path: Path) -> None:
    for name, found in (("users", [SUPABASE_USER]), ("identities", SUPABASE_IDENTITIES)):
        with (tmp_path / f"{name}.csv").open("w", newline="") as target:
            writer = csv.DictWriter(target, sorted({field for one in found for field in one}))
            writer.writeheader()
            writer.writerows([{field: as_text(value) for field, value in one.items()} for one in found])

    options = Options(identities=tmp_path / "identities.csv")

    assert read(System.SUPABASE, tmp_path / "users.csv", options) == [FROM_SUPABASE]


def copied(value: Any) -> str:
    if value is None:
        return "\\N"
    return as_text(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def test_a_dump_of_pg_dump_has_both_tables_of_supabase(tmp_path: Path) -> None:
    blocks = ["SET statement_timeout = 0;"]
    for table, found in (("auth.identities", SUPABASE_IDENTITIES), ("auth.users", [SUPABASE_USER])):
        fields = sorted({field for one in found for field in one})
        blocks.append(f"COPY {table} ({', '.join(fields)}) FROM stdin;")
        blocks += ["\t".join(copied(one.get(field)) for field in fields) for one in found]
        blocks.append("\\.\n")
    file = tmp_path / "dump.sql"
    file.write_text("\n".join(blocks))

    assert read(System.SUPABASE, file) == [FROM_SUPABASE]


POCKETBASE: dict[str, tuple[str, str]] = {
    "since 0.23": (
        "CREATE TABLE users (id TEXT, password TEXT, tokenKey TEXT, email TEXT, emailVisibility BOOLEAN, verified "
        "BOOLEAN, name TEXT, avatar TEXT, created TEXT, updated TEXT)",
        "CREATE TABLE _externalAuths (id TEXT, collectionRef TEXT, recordRef TEXT, provider TEXT, providerId TEXT)",
    ),
    "before 0.23": (
        "CREATE TABLE users (id TEXT, passwordHash TEXT, tokenKey TEXT, email TEXT, emailVisibility BOOLEAN, verified "
        "BOOLEAN, name TEXT, avatar TEXT, created TEXT, updated TEXT)",
        "CREATE TABLE _externalAuths (id TEXT, collectionId TEXT, recordId TEXT, provider TEXT, providerId TEXT)",
    ),
}


@pytest.mark.parametrize(("users", "externals"), POCKETBASE.values(), ids=POCKETBASE.keys())
def test_a_database_of_pocketbase_is_read_without_its_secrets(tmp_path: Path, users: str, externals: str) -> None:
    file = tmp_path / "data.db"
    row = ("abc123def456789", BCRYPT, "a-secret", "eve@example.com", 0, 1, "Eve", "a.png")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(users)
        database.execute(externals)
        database.execute("CREATE TABLE _collections (id TEXT, name TEXT)")
        database.execute("INSERT INTO _collections VALUES ('pbc_1', 'users'), ('pbc_2', 'staff')")
        times = ("2024-01-02 03:04:05.678Z", "2024-01-02 03:04:05.678Z")
        database.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *times))
        for collection in ("pbc_1", "pbc_2"):
            found = ("x", collection, row[0], "github", f"99-{collection}")
            database.execute("INSERT INTO _externalAuths VALUES (?, ?, ?, ?, ?)", found)

    assert read(System.POCKETBASE, file) == [
        {
            **{"id": "abc123def456789", "email": "eve@example.com", "email_verified": True, "name": "Eve"},
            **{"password_hash": BCRYPT, "data": {"avatar": "a.png"}, "created_at": "2024-01-02T03:04:05.678000+00:00"},
            "identities": [{"provider": "github", "subject": "99-pbc_1"}],
        }
    ]
    with pytest.raises(CannotRead, match="no collection"):
        read(System.POCKETBASE, file, Options(collection='x" ; DROP TABLE users'))


def test_records_of_pocketbase_as_json_have_no_passwords(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    file.write_text('{"page":1,"items":[{"id":"a","email":"a@example.com","verified":false,"collectionName":"users"}]}')

    assert read(System.POCKETBASE, file) == [{"id": "a", "email": "a@example.com", "email_verified": False}]


@pytest.mark.parametrize("text", ["", "hello", "[1]", '{"a":', "{}\nx", "[" * 9000], ids=range(6))
def test_a_file_that_is_something_else_is_refused_in_words(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users.json"
    file.write_text(text)

    with pytest.raises(CannotRead):
        read(System.FIREBASE, file)
