"""The types of documents, as mypy sees them in `make check`. Each ignored line is a mistake that mypy must find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NotRequired, TypedDict, assert_type

from bunbase_sdk import AsyncClient, AsyncTransaction, Client, Collection, Page, Transaction
from bunbase_sdk.models import Job, ManagedUser


class PostFields(TypedDict):
    title: str
    likes: int


class NewPost(PostFields):
    _id: NotRequired[str]


class Post(PostFields):
    _id: str
    _rev: int
    _created: str
    _updated: str


def of_the_face_that_waits(client: Client) -> Iterator[Post]:
    posts = client.data.collection("posts", Post, NewPost)
    assert_type(posts, Collection[Post, NewPost])
    assert_type(posts.get("first"), Post)
    assert_type(posts.find("first"), Post | None)
    assert_type(posts.query({"likes": {"$gt": 1}}), Page[Post])
    assert_type(posts.create({"title": "Hello", "likes": 0}), Post)
    assert_type(posts.count(), int)
    assert_type(client.users.get("u1"), ManagedUser)
    assert_type(client.jobs.enqueue("resize"), Job)
    posts.update("first", lambda post: {"likes": post["likes"] + 1})
    posts.create({"titel": "Hello", "likes": 0})  # type: ignore[typeddict-item, typeddict-unknown-key]
    posts.create({"title": 1, "likes": 0})  # type: ignore[typeddict-item]
    posts.create({"title": "Hello"})  # type: ignore[typeddict-item]
    posts.get("first")["titel"]  # type: ignore[typeddict-item]
    posts.update("first", lambda post: {"likes": post["like"]})  # type: ignore[typeddict-item]
    posts.query(limit="20")  # type: ignore[arg-type]
    client.users.create(emial="eve@example.com")  # type: ignore[call-arg]
    client.users.update("u1", banned="yes")  # type: ignore[arg-type]
    client.users.list(order="best")  # type: ignore[arg-type]
    client.import_([], mode="overwrite")  # type: ignore[arg-type]
    client.functions.deploy("hello", b"", config={"acess": "public"})  # type: ignore[arg-type]
    yield from posts.all()


def without_types(client: Client) -> None:
    posts = client.data.collection("posts")
    assert_type(posts, Collection[dict[str, Any], Mapping[str, object]])
    assert_type(posts.get("first")["anything"], Any)
    posts.create({"anything": 1})
    assert_type(client.data.collection("posts", Post).get("first"), Post)


def work(tx: Transaction) -> int:
    posts = tx.collection("posts", Post, NewPost)
    assert_type(posts.get("first"), Post)
    posts.put("first", {"title": "Hello"})  # type: ignore[typeddict-item]
    return posts.get("first")["likes"]


async def async_work(tx: AsyncTransaction) -> int:
    return (await tx.collection("posts", Post, NewPost).get("first"))["likes"]


async def change(post: Post) -> Mapping[str, object]:
    return {"likes": post["likes"] + 1}


async def of_the_face_for_asyncio(client: AsyncClient) -> AsyncIterator[Post]:
    posts = client.data.collection("posts", Post, NewPost)
    assert_type(await posts.get("first"), Post)
    assert_type(await posts.find("first"), Post | None)
    assert_type(await client.data.transaction(async_work), int)
    assert_type(await posts.update("first", change), Post)
    await posts.update("first", lambda post: {"likes": post["likes"] + 1})
    posts.get("first")["title"]  # type: ignore[index]
    await client.data.transaction(work)  # type: ignore[arg-type]
    async for post in posts.all():
        yield post


def of_transactions(client: Client) -> None:
    assert_type(client.data.transaction(work), int)
