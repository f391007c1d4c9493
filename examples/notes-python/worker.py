"""Counts the words of each note as soon as somebody writes the note. The worker counts no note twice."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import NoReturn

from hooks import serving

from bunbase_sdk import Client, Problem

HERE = Path(__file__).parent


def main() -> None:
    os.environ.setdefault("BUNBASE_SERVICE_ACCOUNT", str(HERE / "account.json"))
    signal.signal(signal.SIGTERM, stop)
    secret = (HERE / "webhook.secret").read_text().strip()
    with Client.from_env() as client, serving(client, secret, int(os.environ.get("PORT", "3001"))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"Webhooks: http://127.0.0.1:{server.server_port}", flush=True)
        try:
            follow(client)
        finally:
            server.shutdown()


def follow(client: Client) -> NoReturn:
    """Handle every change of a note, until the program ends."""
    progress = client.data.collection("worker").find("progress")
    since = progress["since"] if progress else 0
    while True:
        try:
            for change in client.changes(since=since, follow=True):
                since = change["seq"]
                if change["collection"] == "notes":
                    summarize(client, change["id"], since)
        except Problem as problem:
            if problem.code != "resync_required":
                raise
            since = problem.body["last"]  # the server no longer keeps the missed changes, so read all notes again
            for note in client.data.collection("notes").all():
                summarize(client, note["_id"], since)


def summarize(client: Client, id: str, since: int) -> None:
    """Write the summary and the number of the last change in one commit, so that a crash cannot separate them."""
    note = client.data.collection("notes").find(id)
    words = len(str(note["text"]).split()) if note else 0
    client.data.commit(
        [
            {"op": "put", "collection": "summaries", "id": id, "data": {"words": words, "deleted": note is None}},
            {"op": "put", "collection": "worker", "id": "progress", "data": {"since": since}},
        ]
    )
    print(f"{id}: {words} words", flush=True)


def stop(*_: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
