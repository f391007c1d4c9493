"""When requests or answers are lost, the clients repeat calls, and each call takes effect once.

The proxies lose them.
"""

from __future__ import annotations

import itertools
import socket
import time
from typing import Any

import pytest

from bunbase_sdk import Conflict, Denied, Problem, RateLimited, Unreachable
from bunbase_sdk.core import retry, streams
from tests.sdk_js.fault_proxy import FaultProxy, serving
from tests.sdk_python.conftest import Connect
from tests.sdk_python.cutting_proxy import CuttingProxy
from tests.sdk_python.site import Site

NUMBERS = itertools.count()


class Faulty:
    """Clients whose requests get faults from the proxy."""

    def __init__(self, client: Any, proxy: FaultProxy) -> None:
        self._client = client
        self._proxy = proxy
        self.name = ""

    def client(self, fault: str, times: int = 1, **options: Any) -> Any:
        self.name = f"fault{next(NUMBERS)}"
        return self._client.with_options(headers={"X-Fault": f"{self.name} {fault} {times}"}, **options)

    def posts(self, fault: str, times: int = 1, **options: Any) -> Any:
        return self.client(fault, times, **options).data.collection("posts")

    def keys(self) -> list[str]:
        """Return the idempotency keys of the requests that the proxy has seen."""
        return [seen.idempotency_key for seen in self._proxy.seen[self.name]]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (retry, streams):
        monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.005)


@pytest.fixture(scope="module")
def faulty(connect: Connect, site: Site, proxy: FaultProxy) -> Faulty:
    return Faulty(connect(proxy.url, site.secret), proxy)


@pytest.fixture
def posts(client: Any) -> Any:
    return client.data.collection("posts")


@pytest.mark.parametrize("fault", ["cut-before", "cut-after", "cut-within", "503", "429"])
def test_a_write_whose_answer_is_lost_takes_effect_once(faulty: Faulty, posts: Any, fault: str) -> None:
    name = f"once{next(NUMBERS)}"

    created = faulty.posts(fault).create({"_id": name, "n": 1})
    assert faulty.keys()[0] == faulty.keys()[1] != ""
    patched = faulty.posts(fault).patch(name, {"$inc": {"n": 1}})
    replaced = faulty.posts(fault).put(name, {"n": patched["n"] + 1}, if_rev=patched["_rev"])
    patch = {"op": "patch", "collection": "posts", "id": name, "data": {"$inc": {"n": 1}}}
    faulty.client(fault).data.commit([patch])

    assert posts.get(name)["n"] == 4
    assert posts.get(name)["_rev"] == created["_rev"] + 3 == replaced["_rev"] + 1
    faulty.posts(fault).delete(name)
    assert posts.find(name) is None


@pytest.mark.parametrize("fault", ["cut-before", "cut-after", "cut-within", "502"])
def test_a_read_is_repeated(faulty: Faulty, posts: Any, fault: str) -> None:
    posts.put("read", {"n": 1})

    assert faulty.posts(fault, 2).get("read")["n"] == 1
    assert len(faulty.keys()) == 3
    assert faulty.posts(fault).query({"_id": "read"}).items[0]["n"] == 1


def test_a_call_gives_up_after_its_retries(faulty: Faulty) -> None:
    with pytest.raises(Unreachable) as lost:
        faulty.posts("cut-before", 9).get("first")
    assert (lost.value.code, lost.value.status, len(faulty.keys())) == ("network", 0, 3)
    with pytest.raises(Unreachable):
        faulty.posts("cut-before", 9, retries=0).get("first")
    assert len(faulty.keys()) == 1


def test_an_answer_that_asks_for_a_long_wait_is_raised_at_once(faulty: Faulty) -> None:
    with pytest.raises(RateLimited) as refused:
        faulty.posts("429-long").get("first")

    assert (refused.value.retry_after, len(faulty.keys())) == (60, 1)


def test_a_request_is_not_sent_again_after_an_error_500(faulty: Faulty) -> None:
    with pytest.raises(Problem) as refused:
        faulty.posts("500").get("first")
    assert (refused.value.status, len(faulty.keys())) == (500, 1)


def test_a_call_ends_after_its_time(faulty: Faulty) -> None:
    began = time.monotonic()

    with pytest.raises(Unreachable, match=r"No answer within 0\.3 s") as late:
        faulty.posts("hang", 9).get("first", timeout=0.3)

    assert late.value.code == "timeout"
    assert time.monotonic() - began < 20


def test_a_login_page_is_no_answer_of_bunbase(faulty: Faulty) -> None:
    with pytest.raises(Problem, match="not from BunBase: status 200, text/html") as refused:
        faulty.posts("captive").get("first")
    assert refused.value.code == "unexpected_answer"


def test_a_function_is_not_repeated_unless_asked_and_then_runs_once(faulty: Faulty) -> None:
    with pytest.raises(Unreachable):
        faulty.client("cut-after").functions.invoke("echo", {"n": 1})
    assert faulty.keys() == [""]

    answer = faulty.client("cut-after").functions.invoke("echo", {"n": 1}, retries=2)
    assert answer["body"] == '{"n":1}'
    assert faulty.keys()[0] == faulty.keys()[1] != ""


def test_a_job_whose_answer_is_lost_is_added_once(faulty: Faulty, developer: Any) -> None:
    job = faulty.client("cut-after").jobs.enqueue("echo", {"n": 1}, delay_seconds=3600)

    assert faulty.keys()[0] == faulty.keys()[1] != ""
    assert [one["id"] for one in developer.jobs.list(function="echo") if one["state"] == "waiting"] == [job["id"]]
    developer.jobs.delete(job["id"])


def test_an_act_without_a_key_is_not_repeated(faulty: Faulty) -> None:
    with pytest.raises(Unreachable):
        faulty.client("cut-before", 9).users.create(email="lost@example.com")
    assert len(faulty.keys()) == 1


def test_a_read_names_the_newest_write_of_the_client(faulty: Faulty, proxy: FaultProxy) -> None:
    posts = faulty.posts("none", 0)
    posts.put("mark", {"n": 1})
    posts.get("mark")

    written, read = proxy.seen[faulty.name]
    assert written.at_least == "" or "." in written.at_least
    assert "." in read.at_least


def test_a_server_that_does_not_exist_is_unreachable(connect: Connect, site: Site) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"

    for url in (address, "http://nowhere.invalid"):
        with pytest.raises(Unreachable, match="could not be reached") as lost:
            connect(url, site.secret, retries=0).data.collection("posts").get("first")
        assert lost.value.__cause__ is not None


def test_an_export_goes_on_after_a_broken_connection_and_loses_nothing(
    connect: Connect, site: Site, client: Any
) -> None:
    moved = client.data.collection("moved")
    for number in range(9):
        moved.put(f"m{number}", {"n": number})
    found = []
    truth = [document["_id"] for document in client.export("moved") if document["_id"].startswith("m")]

    with serving(CuttingProxy(site.url)) as cutting:
        cutting.after_bytes = 700
        for collection in ("moved", None):
            cutting.cuts = 2
            broken = connect(cutting.url, site.secret)
            lines = [line if collection else line["document"] for line in broken.export(collection)]
            found.append([line["_id"] for line in lines if line["_id"] in truth])
            assert cutting.cuts == 0

    assert truth == [f"m{number}" for number in range(9)]
    assert found == [truth, truth]


def test_a_refused_key_is_denied(connect: Connect, site: Site) -> None:
    with pytest.raises(Denied):
        connect(site.url, "sk_wrong").data.collection("posts").get("first")


def test_a_refused_write_leaves_no_trace_of_its_key(faulty: Faulty, posts: Any) -> None:
    posts.put("taken", {})
    with pytest.raises(Conflict):
        faulty.posts("cut-after").create({"_id": "taken"})
