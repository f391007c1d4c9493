"""The S3 port of a running server: a credential from the command works at once, and ends within a second."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.conftest import dev_instance
from tests.e2e.instance import SETUP_TOKEN, Instance, free_port, poll


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Instance, int]]:
    with dev_instance() as instance:
        port = free_port()
        instance.commands["dev"][1].update({"BUNBASE_S3__ENABLED": "true", "BUNBASE_S3__PORT": str(port)})
        yield instance.start(), port


def client(port: int, credential: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id=credential["access_key_id"],
        aws_secret_access_key=credential["secret_access_key"],
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def code_of(s3: Any) -> str:
    try:
        s3.list_buckets()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "OK"


def test_a_credential_works_until_it_is_deleted_or_its_project_stops(server: tuple[Instance, int]) -> None:
    instance, port = server
    http = instance.http
    new = {"email": "ada@example.com", "password": "correct horse battery", "setup_token": SETUP_TOKEN}
    account = http.post("/api/auth/register", json=new).raise_for_status().json()
    owner = {"Authorization": f"Bearer {account['access_token']}"}
    project = http.post("/api/projects", json={"name": "Bakery"}, headers=owner).raise_for_status().json()
    at = f"/api/projects/{project['id']}"
    secret = {"X-Bunbase-Key": next(key["key"] for key in project["keys"] if key["kind"] == "secret")}

    def credential() -> dict[str, str]:
        made = http.post(f"{at}/storage/credentials", json={"name": "sync"}, headers=owner)
        found: dict[str, str] = made.raise_for_status().json()
        return found

    first, second = credential(), credential()
    s3 = client(port, first)
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="rye.txt", Body=b"rye", ContentType="text/plain")

    read = http.get("/v1/storage/objects/photos/rye.txt", headers=secret)
    assert (read.content, read.headers["content-type"]) == (b"rye", "text/plain")
    entries = http.get(f"{at}/audit?action=bucket.create", headers=owner).raise_for_status().json()["items"]
    assert [(one["target"], one["actor"]["id"]) for one in entries] == [("photos", first["access_key_id"])]

    http.delete(f"{at}/storage/credentials/{first['access_key_id']}", headers=owner).raise_for_status()
    poll(lambda: code_of(s3) == "InvalidAccessKeyId", 3.0)
    assert code_of(client(port, second)) == "OK"
    http.request("DELETE", at, json={"confirm": project["slug"]}, headers=owner).raise_for_status()
    poll(lambda: code_of(client(port, second)) == "InvalidAccessKeyId", 3.0)
