"""Uploads one file with tuspy. The argument is JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from tusclient.client import TusClient  # type: ignore[import-not-found,unused-ignore]


def upload(asked: dict[str, Any]) -> None:
    client = TusClient(f"{asked['url']}/v1/storage/tus", headers={"X-Bunbase-Key": asked["key"]})
    uploader = client.uploader(
        asked["file"],
        chunk_size=asked["chunk"] or asked["size"] or 1,
        metadata={"bucket": asked["bucket"], "key": asked["name"]},
        upload_checksum=asked["more"] == "checksum",
        retries=20,
        retry_delay=0.05,
    )
    uploader.upload()
    sys.stdout.write("complete\n")


if __name__ == "__main__":
    upload(json.loads(sys.argv[1]))
