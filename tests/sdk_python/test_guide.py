"""The lines of code in the README and in the guide are right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.sdk_python.models import ROOT
from tests.sdk_python.site import Site

RUN = re.compile(r"^```python run\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["sdk/python/README.md", "docs/python.md"])
def test_the_lines_of_a_page_run(site: Site, client: Any, developer: Any, page: str) -> None:
    for post in list(client.data.collection("posts").all()):
        client.data.collection("posts").delete(post["_id"])
    developer.functions.deploy("hello", "exports.default = async (request) => ({ hello: (await request.json()).name })")
    blocks = RUN.findall(Path(ROOT / page).read_text("utf-8"))
    names: dict[str, Any] = {"BUNBASE_URL": site.url, "SECRET_KEY": site.secret, "__name__": "page"}

    assert blocks
    try:
        for block in blocks:
            exec(compile(block, page, "exec"), names)
    finally:
        if "client" in names:
            names["client"].close()
