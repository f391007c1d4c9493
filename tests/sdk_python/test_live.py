"""Live queries of both faces, on a real server, and `bunbase data watch`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.sdk_python.site import Site

SECONDS = 30.0


def test_a_live_query_yields_each_new_result(client: Any) -> None:
    posts = client.data.collection("posts")
    posts.put("live-1", {"topic": "live", "n": 1})
    seen = []

    for result in posts.live({"topic": "live"}, sort="n", count=True, stop_after=SECONDS):
        seen.append(([post["n"] for post in result.items], result.count))
        match len(seen):
            case 1:
                posts.put("live-2", {"topic": "live", "n": 2})
            case 2:
                posts.delete("live-1")
            case _:
                assert [post["_id"] for post in result.removed] == ["live-1"]
                break

    assert seen == [([1], 1), ([1, 2], 2), ([2], 1)]
    posts.delete("live-2")


def test_a_live_document_is_none_while_it_is_missing(client: Any) -> None:
    posts = client.data.collection("posts")
    seen = []

    for post in posts.live_document("live-3", stop_after=SECONDS):
        seen.append(post and post["n"])
        match len(seen):
            case 1:
                posts.put("live-3", {"n": 1})
            case 2:
                posts.delete("live-3")
            case _:
                break

    assert seen == [None, 1, None]


def test_the_command_shows_a_query_and_its_changes(client: Any, site: Site, tmp_path: Path) -> None:
    posts = client.data.collection("posts")
    posts.put("live-4", {"topic": "command", "n": 1})
    command = [
        str(Path(sys.executable).with_name("bunbase")),
        "data",
        "watch",
        "posts",
        '{"topic":"command"}',
        "--json",
    ]
    own = {"BUNBASE_URL": site.url, "BUNBASE_TOKEN": site.token, "BUNBASE_PROJECT": site.project, "HOME": str(tmp_path)}

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | own, cwd=tmp_path) as running:
        assert running.stdout is not None
        try:
            first = json.loads(running.stdout.readline())
            posts.delete("live-4")
            second = json.loads(running.stdout.readline())
        finally:
            running.terminate()

    assert [post["_id"] for post in first["added"]] == ["live-4"]
    assert [post["_id"] for post in second["removed"]] == ["live-4"]
