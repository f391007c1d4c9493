"""The port behind nginx, with the settings of the docs: signatures and keys arrive as the client has sent them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from posixpath import normpath
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from bunbase.pkg.s3.xml import FORBIDDEN
from tests.storage.keys import KEYS
from tests.storage.routes.s3.answers import refused
from tests.storage.routes.s3.nginx import running_nginx
from tests.storage.routes.s3.port import WRITER, Port


def climbs(key: str) -> bool:
    """True if the path of the key would lead above the root, which nginx refuses."""
    steps = 1  # the bucket
    for name in key.split("/"):
        steps += -1 if name == ".." else 0 if name in ("", ".") else 1
        if steps < 0:
            return True
    return False


HELD = tuple([key for key in KEYS if not climbs(key)])
CLIMBING = tuple([key for key in KEYS if climbs(key)])


@pytest.fixture(scope="module")
def proxy(port: Port, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory: Path = tmp_path_factory.mktemp("nginx")
    with running_nginx(directory, port.url) as url:
        yield url


@pytest.fixture
def client(proxy: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=proxy,
        aws_access_key_id=WRITER.access_key_id,
        aws_secret_access_key=WRITER.secret,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"total_max_attempts": 1}),
    )


def test_every_key_passes_through_nginx(client: Any, bucket: str) -> None:
    for key in HELD:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())

    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    assert {one["Key"] for page in pages for one in page["Contents"]} == set(HELD)
    for key in HELD:
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
        url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        if normpath(f"/{bucket}/{key}") == f"/{bucket}/{key}":  # httpx removes dots, as browsers do
            assert httpx.get(url, verify=False).content == key.encode()
    for key in HELD[::8]:
        client.delete_object(Bucket=bucket, Key=key)
    left = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert {one["Key"] for one in left} == set(HELD) - set(HELD[::8])
    assert any(FORBIDDEN.search(key) for key in HELD)


def test_nginx_refuses_keys_that_lead_above_the_root(client: Any, bucket: str, port: Port) -> None:
    assert CLIMBING

    for key in CLIMBING:
        assert refused(client.put_object, Bucket=bucket, Key=key, Body=b"x")[0] == 400
    assert "Contents" not in port.client().list_objects_v2(Bucket=bucket)


def test_presigned_uploads_and_parts_pass_through_nginx(client: Any, bucket: str) -> None:
    content = bytes(range(256)) * (6 << 12)  # 6 MiB: nginx refuses more than 1 MiB without client_max_body_size
    url = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "é+//a"})
    id = client.create_multipart_upload(Bucket=bucket, Key="parts/é")["UploadId"]
    named = {"Bucket": bucket, "Key": "parts/é", "UploadId": id}

    assert httpx.put(url, content=content).status_code == 200
    part = client.upload_part(**named, PartNumber=1, Body=content)
    client.complete_multipart_upload(**named, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})

    assert client.get_object(Bucket=bucket, Key="é+//a")["Body"].read() == content
    assert client.get_object(Bucket=bucket, Key="parts/é", Range="bytes=255-256")["Body"].read() == b"\xff\x00"


def test_a_proxy_that_changes_the_host_breaks_the_signature(port: Port, client: Any, bucket: str) -> None:
    url = client.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket})
    through = httpx.get(url)
    around = httpx.get(f"{port.url}/{bucket}?{httpx.URL(url).query.decode()}")

    assert through.status_code == 200
    assert (around.status_code, b"SignatureDoesNotMatch" in around.content) == (403, True)
