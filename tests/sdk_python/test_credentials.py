"""Secret keys, service accounts and personal access tokens, through both faces, on a real server."""

from __future__ import annotations

import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from bunbase_sdk import AsyncClient, Client, Denied, NotFound, Problem, ServiceAccount
from bunbase_sdk.core import streams
from bunbase_sdk.core.credentials import from_environment
from tests.sdk_js.fault_proxy import FaultProxy
from tests.sdk_python.conftest import Connect
from tests.sdk_python.site import Site

SECRET = {"BUNBASE_URL": "http://127.0.0.1:7070", "BUNBASE_SECRET_KEY": "sk_1"}


def pem(key: Any) -> tuple[str, str]:
    """Return the private and the public half of a key."""
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def test_a_service_account_gets_one_token_for_all_calls_at_once(
    connect: Connect, site: Site, proxy: FaultProxy
) -> None:
    client = connect(proxy.url, site.account, headers={"X-Fault": f"account{id(connect)} none 0"})

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: client.data.collection("posts").put(f"s{number}", {}), range(8)))

    assert len(found) == 8
    seen = [one for one in proxy.seen[f"account{id(connect)}"] if one.authorization]
    assert len({one.authorization for one in seen}) == 1
    assert client.functions.invoke("echo", {"n": 1})["body"] == '{"n":1}'


def test_a_token_that_the_server_does_not_know_is_renewed_once(connect: Connect, site: Site) -> None:
    client = connect(site.url, site.account)
    client._transport.tokens._kept = ("eyJhbGciOiJSUzI1NiJ9.e30.AA", time.monotonic() + 600)

    assert client.data.collection("posts").count() >= 0
    assert client._transport.tokens._kept[0] != "eyJhbGciOiJSUzI1NiJ9.e30.AA"


@pytest.mark.parametrize("kind", ["rsa", "ec"])
def test_a_service_account_proves_itself_with_a_private_key(connect: Connect, site: Site, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    private, public = pem(key)
    asked = {"name": kind, "scopes": ["data:read"], "public_key": public}
    where = f"{site.url}/api/projects/{site.project}/service-accounts"
    made = httpx.post(where, json=asked, headers=site.developer).raise_for_status().json()

    client = connect(site.url, ServiceAccount(made["client_id"], private_key=private))
    assert client.data.collection("posts").count() >= 0
    with pytest.raises(Denied) as refused:
        client.data.collection("posts").create({})
    assert refused.value.body["scope"].startswith("data:")
    httpx.delete(f"{where}/{made['client_id']}", headers=site.developer).raise_for_status()
    with pytest.raises(Denied) as gone:
        connect(site.url, ServiceAccount(made["client_id"], private_key=private)).data.collection("posts").count()
    assert gone.value.code == "invalid_client"


def test_a_key_is_traded_down_to_a_token_for_handing_on(connect: Connect, site: Site, client: Any) -> None:
    token = client.token(["data:posts:read"])
    other = connect(site.url, token.value)

    assert token.scopes == ("data:posts:read",)
    assert 0 < token.expires_at - time.time() <= 600
    assert other.data.collection("posts").count() >= 0
    with pytest.raises(Denied):
        other.data.collection("notes").count()
    with pytest.raises(Denied) as refused:
        client.auth.verify(token.value)
    assert refused.value.code == "invalid_token"
    assert client.auth.verify(token.value, allow_service=True)["scope"] == "data:posts:read"
    with pytest.raises(Problem) as unknown:
        client.token(["nonsense"])
    assert unknown.value.code == "invalid_scope"
    with pytest.raises(Problem, match="Pass a list"):
        client.token("data:read")


@pytest.mark.parametrize(("user", "sent"), [("usr_1", "usr_1"), (None, "-")])
async def test_a_call_in_the_name_of_a_user_says_so_in_a_header(user: str | None, sent: str) -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("X-Bunbase-As"))
        return httpx.Response(404, json={"code": "document_not_found", "status": 404})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as http,
        Client("http://bunbase.test", "sk_1", http=http) as client,
    ):
        assert client.as_user(user).data.collection("posts").find("first") is None
        with pytest.raises(NotFound):
            client.as_user(user).functions.invoke("echo")
        assert client.data.collection("posts").find("first") is None
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http_aio,
        AsyncClient("http://bunbase.test", "sk_1", http=http_aio) as other,
    ):
        assert await other.as_user(user).data.collection("posts").find("first") is None
    assert seen == [sent, sent, None, sent]


def test_a_call_in_the_name_of_an_empty_id_is_refused() -> None:
    with Client("http://bunbase.test", "sk_1") as client, pytest.raises(Problem):
        client.as_user("")


async def test_a_live_query_in_the_name_of_a_user_is_refused_before_anything_is_sent() -> None:
    with Client("http://bunbase.test", "sk_1") as client:
        posts = client.as_user("usr_1").data.collection("posts")
        for live in (posts.live, lambda: posts.live_document("first")):
            with pytest.raises(Problem, match="no live queries") as refused:
                live()
            assert refused.value.code == "not_supported"
    async with AsyncClient("http://bunbase.test", "sk_1") as other:
        with pytest.raises(Problem, match="no live queries"):
            other.as_user("usr_1").data.collection("posts").live()


@pytest.mark.parametrize(
    ("key", "project", "told"),
    [
        ("pk_1", None, "publishable key"),
        ("bpt_1", None, "needs the id of the project"),
        ("", None, "such as sk_"),
        ("sk_1\n", None, "such as sk_"),
        ("nonsense", None, "no key of BunBase"),
    ],
)
def test_a_key_of_no_use_is_refused_at_once(key: str, project: str | None, told: str) -> None:
    with pytest.raises(Problem, match=told) as refused:
        Client("http://127.0.0.1:7070", key, project=project)
    assert refused.value.code == "invalid_value"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:7070",
        "ftp://a",
        "http://",
        "http://a?b=c",
        "http://a..b",
        f"http://{'a' * 64}",
        "http://[::1",
        "http://a/\x01",
    ],
)
def test_an_address_of_no_use_is_refused_at_once(url: str) -> None:
    with pytest.raises(Problem, match="no address"):
        Client(url, "sk_1")


def test_the_environment_names_address_and_credential(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps({"url": "http://a", "project": "prj_1", "client_id": "c", "client_secret": "s"}))
    file.chmod(0o600)
    person = {"BUNBASE_URL": "http://b", "BUNBASE_TOKEN": "bpt_1", "BUNBASE_PROJECT": "prj_2"}

    assert from_environment(SECRET).key == "sk_1"
    assert (from_environment(person).key, from_environment(person).project) == ("bpt_1", "prj_2")
    found = from_environment({"BUNBASE_SERVICE_ACCOUNT": str(file)})
    assert (found.url, found.project) == ("http://a", "prj_1")
    assert found.key == ServiceAccount("c", client_secret="s")


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        ('{"url":"http://a","client_id":"c","client_secret":"s"}', 0o644, "chmod 600"),
        ('{"url":"http://a","client_id":"c","client_secret":"s"}', 0o640, "chmod 600"),
        ("no json", 0o600, "not JSON"),
        ("[]", 0o600, "object of texts"),
        ('{"client_id":"c","client_secret":"s"}', 0o600, "address of the server"),
        ('{"url":"http://a","client_id":"c"}', 0o600, "client_secret or a private_key"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_file_that_is_no_account_or_that_others_can_read_is_refused(
    tmp_path: Path, content: str | None, mode: int, told: str
) -> None:
    file = tmp_path / "account.json"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)

    with pytest.raises(Problem, match=told):
        from_environment({"BUNBASE_SERVICE_ACCOUNT": str(file)})


@pytest.mark.parametrize("given", [{}, {"BUNBASE_URL": "http://a"}, SECRET | {"BUNBASE_TOKEN": "bpt_1"}])
def test_an_environment_with_no_credential_or_with_two_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(Problem, match="Set one of"):
        from_environment(given)


def test_secrets_are_not_shown(site: Site) -> None:
    with Client("http://a", "sk_hidden") as client:
        shown = repr((ServiceAccount("c", client_secret="sk_hidden"), client._transport.credential))
    assert "hidden" not in shown


def test_a_problem_can_be_sent_to_another_process() -> None:
    problem = NotFound("document_not_found", "Nothing.", status=404, body={"request_id": "req_1"}, retry_after=2)

    copy = pickle.loads(pickle.dumps(problem))
    assert (type(copy), copy.code, copy.status, copy.request_id, copy.retry_after) == (
        NotFound, "document_not_found", 404, "req_1", 2
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/../../auth/users/export", "..", "/a/../../../data", "/%2e%2e/x", "/.", "/a\\..\\b"])
def test_a_path_that_somebody_else_has_chosen_stays_below_its_function(path: str) -> None:
    seen: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    client = Client("http://127.0.0.1:7070", "sk_1", http=http)

    for functions in (client.functions, client.as_user("usr_1").functions):
        for call in (functions.fetch, functions.invoke):
            with pytest.raises(Problem, match="leads elsewhere"):
                call("files", path=path)

    client.functions.fetch("files", path="/a..b/.c?next=/../x")
    assert [url.raw_path for url in seen] == [b"/v1/functions/files/a..b/.c?next=/../x"]


def test_a_broken_file_of_an_account_is_not_kept_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text('{"client_secret": "hidden",')
    file.chmod(0o600)

    with pytest.raises(Problem) as caught:
        from_environment({"BUNBASE_SERVICE_ACCOUNT": str(file)})

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_address_with_a_password_is_refused_without_the_password() -> None:
    with pytest.raises(Problem, match="no address") as caught:
        Client("https://eve:hidden@api.example.com", "sk_1")

    assert "hidden" not in str(caught.value)


def test_an_id_with_half_a_character_is_a_problem() -> None:
    with pytest.raises(Problem, match="An id or a name"):
        Client("http://127.0.0.1:7070", "sk_1").users.get("\ud800")


def test_an_event_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_LINE_BYTES", 1000)
    events = streams.Events()

    for _ in range(100):
        events.fed(b"data: x\n")

    with pytest.raises(Problem, match="too long"):
        events.fed(b"data: x\n" * 100)
