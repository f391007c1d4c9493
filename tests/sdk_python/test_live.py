"""Live queries of both faces, on a real server, and `bunbase data watch`."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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

    with watching(site, tmp_path, "posts", '{"topic":"command"}') as running:
        assert running.stdout is not None
        first = json.loads(running.stdout.readline())
        posts.delete("live-4")
        second = json.loads(running.stdout.readline())

    assert [post["_id"] for post in first["added"]] == ["live-4"]
    assert [post["_id"] for post in second["removed"]] == ["live-4"]


def test_the_command_tells_of_a_collection_that_does_not_exist_and_follows_it_when_it_does(
    client: Any, site: Site, tmp_path: Path
) -> None:
    name = f"notes_{secrets.token_hex(4)}"
    with watching(site, tmp_path, name) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert f"There is no collection {name}." in running.stderr.readline()
        first = json.loads(running.stdout.readline())
        client.data.collection(name).put("a", {"n": 1})
        second = json.loads(running.stdout.readline())

    assert [first["added"], [one["_id"] for one in second["added"]]] == [[], ["a"]]


@contextmanager
def watching(site: Site, home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(Path(sys.executable).with_name("bunbase")), "data", "watch", *words, "--json"]
    own = {"BUNBASE_URL": site.url, "BUNBASE_TOKEN": site.token, "BUNBASE_PROJECT": site.project, "HOME": str(home)}
    pipe, env = subprocess.PIPE, os.environ | own
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, cwd=home) as running:
        try:
            yield running
        finally:
            running.terminate()
