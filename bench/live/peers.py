"""The servers that BunBase is compared with: PocketBase, Centrifugo, and `ws` on Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.data.pocketbase import VERSION
from bench.data.running import client, free_port, posted, running, until_up
from bench.data.work import ACCOUNT
from bench.live.servers import COLLECTIONS, JSON, TEXT, Feed, Server, masked, upgrade

ROOT: Final = Path(__file__).parents[2]
FAN_OUT: Final = ROOT / "bench" / "peers" / "node" / "fan_out.mjs"
WS: Final = ROOT / "node_modules" / "ws"
CENTRIFUGO_VERSION: Final = "6.9.1"
CENTRIFUGO_MODULE: Final = f"github.com/centrifugal/centrifugo/v6@v{CENTRIFUGO_VERSION}"
DOCUMENT: Final = {"_id": "one", "_rev": 1, "n": 1, "text": TEXT, "mark": "MARK"}


@contextmanager
def pocketbase(home: Path, binary: Path) -> Iterator[Server]:
    port, directory = free_port(), f"--dir={home / 'pb_data'}"
    url = f"http://127.0.0.1:{port}"
    account = [ACCOUNT["email"], ACCOUNT["password"]]
    subprocess.run([binary, "superuser", "upsert", *account, directory], check=True, capture_output=True)
    with running([binary, "serve", f"--http=127.0.0.1:{port}", directory], home, {}), client(url) as http:
        until_up(http, "/api/health")
        owner = {"identity": ACCOUNT["email"], "password": ACCOUNT["password"]}
        http.headers["authorization"] = posted(http, "/api/collections/_superusers/auth-with-password", owner)["token"]
        feeds = {
            name: _of_pocketbase(http, name, port, rule) for name, rule in zip(COLLECTIONS, ("", "n > 0"), strict=True)
        }
        yield Server(
            f"PocketBase {VERSION}",
            url,
            directory,
            feeds,
            f"PocketBase {VERSION}: default settings; server-sent events, all records of the collection;"
            " not encrypted, does not wait for fsync",
        )


def _of_pocketbase(http: Any, name: str, port: int, rule: str) -> Feed:
    fields = [{"name": "n", "type": "number"}, {"name": "text", "type": "text"}, {"name": "mark", "type": "text"}]
    rules = {"listRule": rule, "viewRule": rule, "updateRule": ""}
    posted(http, "/api/collections", {"name": name, "type": "base", "fields": fields, **rules})
    records = f"/api/collections/{name}/records"
    id = posted(http, records, {"n": 1, "text": TEXT, "mark": "first"})["id"]
    subscription = json.dumps({"clientId": "{id}", "subscriptions": [f"{name}/*"]})
    return Feed(
        f"GET /api/realtime HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n\r\n",
        (("PB_CONNECT", f"POST /api/realtime {subscription}"),),
        "PATCH",
        f"{records}/{id}",
        JSON,
        json.dumps({"mark": "MARK"}),
        '"clientId":"([^"]+)"',
    )


@contextmanager
def centrifugo(home: Path, binary: Path) -> Iterator[Server]:
    port, key = free_port(), "bench"
    home.mkdir()
    settings = home / "config.json"
    channel = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
    settings.write_text(
        json.dumps(
            {
                "http_server": {"address": "127.0.0.1", "port": str(port)},
                "http_api": {"key": key},
                "client": {"insecure": True, "allowed_origins": ["*"]},
                "channel": {"without_namespace": channel},
                "health": {"enabled": True},
            }
        )
    )
    url = f"http://127.0.0.1:{port}"
    with running([binary, f"--config={settings}"], home, {"GOMAXPROCS": "1"}), client(url) as http:
        until_up(http, "/health")
        feed = Feed(
            upgrade(port, "/connection/websocket"),
            (
                (" 101 ", masked('{"id":1,"connect":{}}')),
                ('"connect":', masked('{"id":2,"subscribe":{"channel":"open"}}')),
                ('"subscribe":', ""),
            ),
            "POST",
            "/api/publish",
            JSON | {"x-api-key": key},
            # the peer sends exactly these bytes
            json.dumps({"channel": "open", "data": DOCUMENT}, separators=(",", ":")),
        )
        notes = f"Centrifugo {CENTRIFUGO_VERSION}: a channel, publish over HTTP, GOMAXPROCS=1; no database, no rules"
        yield Server(f"Centrifugo {CENTRIFUGO_VERSION}", url, str(settings), {"open": feed}, notes)


@contextmanager
def node_ws(home: Path) -> Iterator[Server]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    node = shutil.which("node")
    assert node is not None
    with running([node, FAN_OUT, str(port), WS], home, {}), client(url) as http:
        until_up(http, "/")
        feed = Feed(
            upgrade(port, "/"),
            ((" 101 ", masked("hello")), ('"ready"', "")),
            "POST",
            "/",
            JSON,
            json.dumps(DOCUMENT),
        )
        version = json.loads((WS / "package.json").read_text())["version"]
        runtime = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        notes = f"Node ws (bench/peers/node): ws {version}, Node {runtime}; sends what is posted; no database, no rules"
        yield Server(f"Node ws {version}", url, f"{FAN_OUT} {port}", {"open": feed}, notes)
