"""Written by `make gen` from the docstrings of bunbase_sdk: mypy checks them here."""

# ruff: noqa
from __future__ import annotations

from pathlib import Path
from typing import Any

from bunbase_sdk import AsyncClient, AsyncTransaction, Client, ServiceAccount, Transaction, webhooks

secret: Any = ""
token: Any = ""
body = b""
headers: dict[str, str] = {}


# webhooks.verify
def example_0(client: Client, tx: Transaction) -> None:
    event = webhooks.verify(body, headers, secret, scheme="stripe").json()


# webhooks.verify
async def awaited_0(client: AsyncClient, tx: AsyncTransaction) -> None:
    event = webhooks.verify(body, headers, secret, scheme="stripe").json()


# core/auth.verify
def example_1(client: Client, tx: Transaction) -> None:
    claims = client.auth.verify(token)
    print(claims["sub"], claims["role"])


# core/auth.verify
async def awaited_1(client: AsyncClient, tx: AsyncTransaction) -> None:
    claims = await client.auth.verify(token)
    print(claims["sub"], claims["role"])


# core/auth.custom_token
def example_2(client: Client, tx: Transaction) -> None:
    token = client.auth.custom_token("usr_1", {"device": "tv"})


# core/auth.custom_token
async def awaited_2(client: AsyncClient, tx: AsyncTransaction) -> None:
    token = await client.auth.custom_token("usr_1", {"device": "tv"})


# core/backups.list
def example_3(client: Client, tx: Transaction) -> None:
    for backup in client.backups.list():
        print(backup["id"], backup["created_at"])


# core/backups.list
async def awaited_3(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for backup in client.backups.list():
        print(backup["id"], backup["created_at"])


# core/backups.get
def example_4(client: Client, tx: Transaction) -> None:
    backup = client.backups.get("bkp_1")


# core/backups.get
async def awaited_4(client: AsyncClient, tx: AsyncTransaction) -> None:
    backup = await client.backups.get("bkp_1")


# core/backups.create
def example_5(client: Client, tx: Transaction) -> None:
    job = client.backups.create()


# core/backups.create
async def awaited_5(client: AsyncClient, tx: AsyncTransaction) -> None:
    job = await client.backups.create()


# core/backups.verify
def example_6(client: Client, tx: Transaction) -> None:
    job = client.backups.verify("bkp_1")


# core/backups.verify
async def awaited_6(client: AsyncClient, tx: AsyncTransaction) -> None:
    job = await client.backups.verify("bkp_1")


# core/backups.restore
def example_7(client: Client, tx: Transaction) -> None:
    job = client.backups.restore("bkp_1")


# core/backups.restore
async def awaited_7(client: AsyncClient, tx: AsyncTransaction) -> None:
    job = await client.backups.restore("bkp_1")


# core/backups.job
def example_8(client: Client, tx: Transaction) -> None:
    job = client.backups.job("job_1")


# core/backups.job
async def awaited_8(client: AsyncClient, tx: AsyncTransaction) -> None:
    job = await client.backups.job("job_1")


# core/backups.wait
def example_9(client: Client, tx: Transaction) -> None:
    done = client.backups.wait("job_1", timeout=600)


# core/backups.wait
async def awaited_9(client: AsyncClient, tx: AsyncTransaction) -> None:
    done = await client.backups.wait("job_1", timeout=600)


# core/backups.delete
def example_10(client: Client, tx: Transaction) -> None:
    client.backups.delete("bkp_1")


# core/backups.delete
async def awaited_10(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.backups.delete("bkp_1")


# core/backups.schedule
def example_11(client: Client, tx: Transaction) -> None:
    schedule = client.backups.schedule()


# core/backups.schedule
async def awaited_11(client: AsyncClient, tx: AsyncTransaction) -> None:
    schedule = await client.backups.schedule()


# core/backups.set_schedule
def example_12(client: Client, tx: Transaction) -> None:
    client.backups.set_schedule(every_hours=6, kept=28)


# core/backups.set_schedule
async def awaited_12(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.backups.set_schedule(every_hours=6, kept=28)


# core/backups.reset_schedule
def example_13(client: Client, tx: Transaction) -> None:
    client.backups.reset_schedule()


# core/backups.reset_schedule
async def awaited_13(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.backups.reset_schedule()


# core/channels.get
def example_14(client: Client, tx: Transaction) -> None:
    rooms = client.channels.get().get("rooms/{room}")


# core/channels.get
async def awaited_14(client: AsyncClient, tx: AsyncTransaction) -> None:
    rooms = (await client.channels.get()).get("rooms/{room}")


# core/channels.put
def example_15(client: Client, tx: Transaction) -> None:
    client.channels.put({"rooms/{room}": {"rules": {"subscribe": "auth != null"}, "presence": True}})


# core/channels.put
async def awaited_15(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.channels.put({"rooms/{room}": {"rules": {"subscribe": "auth != null"}, "presence": True}})


# core/channels.publish
def example_16(client: Client, tx: Transaction) -> None:
    client.channels.publish([{"channel": "rooms/7", "data": {"text": "hello"}}])


# core/channels.publish
async def awaited_16(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.channels.publish([{"channel": "rooms/7", "data": {"text": "hello"}}])


# core/channels.listen
def example_17(client: Client, tx: Transaction) -> None:
    for message in client.channels.listen("rooms/7", presence={"name": "worker"}):
        print(message.sender, message.data)


# core/channels.listen
async def awaited_17(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for message in client.channels.listen("rooms/7", presence={"name": "worker"}):
        print(message.sender, message.data)


# core/channels.members
def example_18(client: Client, tx: Transaction) -> None:
    for members in client.channels.members("rooms/7"):
        print(members.count, [member.data for member in members.items])


# core/channels.members
async def awaited_18(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for members in client.channels.members("rooms/7"):
        print(members.count, [member.data for member in members.items])


# core/channels.set_presence
def example_19(client: Client, tx: Transaction) -> None:
    client.channels.set_presence("rooms/7", {"name": "worker", "busy": True})


# core/channels.set_presence
async def awaited_19(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.channels.set_presence("rooms/7", {"name": "worker", "busy": True})


# core/collection.get
def example_20(client: Client, tx: Transaction) -> None:
    post = client.data.collection("posts").get("first")


# core/collection.get
async def awaited_20(client: AsyncClient, tx: AsyncTransaction) -> None:
    post = await client.data.collection("posts").get("first")


# core/collection.find
def example_21(client: Client, tx: Transaction) -> None:
    post = client.data.collection("posts").find("first")


# core/collection.find
async def awaited_21(client: AsyncClient, tx: AsyncTransaction) -> None:
    post = await client.data.collection("posts").find("first")


# core/collection.query
def example_22(client: Client, tx: Transaction) -> None:
    page = client.data.collection("posts").query({"likes": {"$gt": 10}}, sort="-likes", limit=50)


# core/collection.query
async def awaited_22(client: AsyncClient, tx: AsyncTransaction) -> None:
    page = await client.data.collection("posts").query({"likes": {"$gt": 10}}, sort="-likes", limit=50)


# core/collection.pages
def example_23(client: Client, tx: Transaction) -> None:
    for page in client.data.collection("posts").pages(limit=500):
        print(len(page.items))


# core/collection.pages
async def awaited_23(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for page in client.data.collection("posts").pages(limit=500):
        print(len(page.items))


# core/collection.all
def example_24(client: Client, tx: Transaction) -> None:
    for post in client.data.collection("posts").all({"draft": True}):
        print(post["_id"])


# core/collection.all
async def awaited_24(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for post in client.data.collection("posts").all({"draft": True}):
        print(post["_id"])


# core/collection.first
def example_25(client: Client, tx: Transaction) -> None:
    newest = client.data.collection("posts").first(sort="-_created")


# core/collection.first
async def awaited_25(client: AsyncClient, tx: AsyncTransaction) -> None:
    newest = await client.data.collection("posts").first(sort="-_created")


# core/collection.live
def example_26(client: Client, tx: Transaction) -> None:
    for result in client.data.collection("posts").live({"draft": False}, sort="-_created", limit=50):
        print(len(result.items), result.added, result.changed, result.removed)


# core/collection.live
async def awaited_26(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for result in client.data.collection("posts").live({"draft": False}, sort="-_created", limit=50):
        print(len(result.items), result.added, result.changed, result.removed)


# core/collection.live_document
def example_27(client: Client, tx: Transaction) -> None:
    for post in client.data.collection("posts").live_document("first"):
        print(post and post["title"])


# core/collection.live_document
async def awaited_27(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for post in client.data.collection("posts").live_document("first"):
        print(post and post["title"])


# core/collection.count
def example_28(client: Client, tx: Transaction) -> None:
    drafts = client.data.collection("posts").count({"draft": True})


# core/collection.count
async def awaited_28(client: AsyncClient, tx: AsyncTransaction) -> None:
    drafts = await client.data.collection("posts").count({"draft": True})


# core/collection.aggregate
def example_29(client: Client, tx: Transaction) -> None:
    totals = client.data.collection("orders").aggregate({"total": {"$sum": "price"}}, group="status")


# core/collection.aggregate
async def awaited_29(client: AsyncClient, tx: AsyncTransaction) -> None:
    totals = await client.data.collection("orders").aggregate({"total": {"$sum": "price"}}, group="status")


# core/collection.create
def example_30(client: Client, tx: Transaction) -> None:
    post = client.data.collection("posts").create({"title": "Hello"})


# core/collection.create
async def awaited_30(client: AsyncClient, tx: AsyncTransaction) -> None:
    post = await client.data.collection("posts").create({"title": "Hello"})


# core/collection.put
def example_31(client: Client, tx: Transaction) -> None:
    client.data.collection("posts").put("first", {"title": "Hello"}, if_absent=True)


# core/collection.put
async def awaited_31(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.data.collection("posts").put("first", {"title": "Hello"}, if_absent=True)


# core/collection.patch
def example_32(client: Client, tx: Transaction) -> None:
    client.data.collection("posts").patch("first", {"$inc": {"likes": 1}})


# core/collection.patch
async def awaited_32(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.data.collection("posts").patch("first", {"$inc": {"likes": 1}})


# core/collection.update
def example_33(client: Client, tx: Transaction) -> None:
    client.data.collection("posts").update("first", lambda post: {"likes": post["likes"] + 1})


# core/collection.update
async def awaited_33(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.data.collection("posts").update("first", lambda post: {"likes": post["likes"] + 1})


# core/collection.delete
def example_34(client: Client, tx: Transaction) -> None:
    client.data.collection("posts").delete("first")


# core/collection.delete
async def awaited_34(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.data.collection("posts").delete("first")


# core/collections.list
def example_35(client: Client, tx: Transaction) -> None:
    for collection in client.collections.list():
        print(collection["name"])


# core/collections.list
async def awaited_35(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for collection in client.collections.list():
        print(collection["name"])


# core/collections.get
def example_36(client: Client, tx: Transaction) -> None:
    posts = client.collections.get("posts")


# core/collections.get
async def awaited_36(client: AsyncClient, tx: AsyncTransaction) -> None:
    posts = await client.collections.get("posts")


# core/collections.put
def example_37(client: Client, tx: Transaction) -> None:
    client.collections.put("posts", {"indexes": [{"fields": ["author"]}], "rules": {"list": "true"}})


# core/collections.put
async def awaited_37(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.collections.put("posts", {"indexes": [{"fields": ["author"]}], "rules": {"list": "true"}})


# core/collections.drop
def example_38(client: Client, tx: Transaction) -> None:
    client.collections.drop("posts")


# core/collections.drop
async def awaited_38(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.collections.drop("posts")


# core/collections.misfits
def example_39(client: Client, tx: Transaction) -> None:
    for misfit in client.collections.misfits("posts", schema={"required": ["title"]}):
        print(misfit["id"], misfit["errors"])


# core/collections.misfits
async def awaited_39(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for misfit in client.collections.misfits("posts", schema={"required": ["title"]}):
        print(misfit["id"], misfit["errors"])


# core/collections.test
def example_40(client: Client, tx: Transaction) -> None:
    decision = client.rules.test({"collection": "posts", "op": "create", "auth": None, "next": {"n": 1}})


# core/collections.test
async def awaited_40(client: AsyncClient, tx: AsyncTransaction) -> None:
    decision = await client.rules.test({"collection": "posts", "op": "create", "auth": None, "next": {"n": 1}})


# core/collections.test_many
def example_41(client: Client, tx: Transaction) -> None:
    decisions = client.rules.test_many([{"collection": "posts", "op": "list", "auth": {"uid": "u1"}}])


# core/collections.test_many
async def awaited_41(client: AsyncClient, tx: AsyncTransaction) -> None:
    decisions = await client.rules.test_many([{"collection": "posts", "op": "list", "auth": {"uid": "u1"}}])


# core/credentials.ServiceAccount
def example_42(client: Client, tx: Transaction) -> None:
    account = ServiceAccount("sa_…", client_secret=secret)


# core/credentials.ServiceAccount
async def awaited_42(client: AsyncClient, tx: AsyncTransaction) -> None:
    account = ServiceAccount("sa_…", client_secret=secret)


# core/data.collection
def example_43(client: Client, tx: Transaction) -> None:
    posts = client.data.collection("posts")


# core/data.collection
async def awaited_43(client: AsyncClient, tx: AsyncTransaction) -> None:
    posts = client.data.collection("posts")


# core/data.commit
def example_44(client: Client, tx: Transaction) -> None:
    client.data.commit(
        [
            {"op": "patch", "collection": "accounts", "id": "ada", "data": {"$inc": {"balance": -10}}},
            {"op": "patch", "collection": "accounts", "id": "eve", "data": {"$inc": {"balance": 10}}},
        ]
    )


# core/data.commit
async def awaited_44(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.data.commit(
        [
            {"op": "patch", "collection": "accounts", "id": "ada", "data": {"$inc": {"balance": -10}}},
            {"op": "patch", "collection": "accounts", "id": "eve", "data": {"$inc": {"balance": 10}}},
        ]
    )


# core/data.transaction
def example_45(client: Client, tx: Transaction) -> None:
    def transfer(tx: Transaction) -> None:
        account = tx.collection("accounts").get("ada")
        if account["balance"] < 10:
            raise ValueError("too little")
        tx.collection("accounts").patch("ada", {"balance": account["balance"] - 10})

    client.data.transaction(transfer)


# core/data.transaction
async def awaited_45(client: AsyncClient, tx: AsyncTransaction) -> None:
    async def transfer(tx: AsyncTransaction) -> None:
        account = await tx.collection("accounts").get("ada")
        if account["balance"] < 10:
            raise ValueError("too little")
        tx.collection("accounts").patch("ada", {"balance": account["balance"] - 10})

    await client.data.transaction(transfer)


# core/env.list
def example_46(client: Client, tx: Transaction) -> None:
    for variable in client.env.list():
        print(variable["name"], variable["updated_at"])


# core/env.list
async def awaited_46(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for variable in client.env.list():
        print(variable["name"], variable["updated_at"])


# core/env.set
def example_47(client: Client, tx: Transaction) -> None:
    client.env.set("GREETING", "Ahoy")


# core/env.set
async def awaited_47(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.env.set("GREETING", "Ahoy")


# core/env.delete
def example_48(client: Client, tx: Transaction) -> None:
    client.env.delete("GREETING")


# core/env.delete
async def awaited_48(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.env.delete("GREETING")


# core/files.bucket
def example_49(client: Client, tx: Transaction) -> None:
    photos = client.files.bucket("photos")


# core/files.bucket
async def awaited_49(client: AsyncClient, tx: AsyncTransaction) -> None:
    photos = client.files.bucket("photos")


# core/files.usage
def example_50(client: Client, tx: Transaction) -> None:
    usage = client.files.usage()
    print(usage["bytes"], usage["max_bytes"])


# core/files.usage
async def awaited_50(client: AsyncClient, tx: AsyncTransaction) -> None:
    usage = await client.files.usage()
    print(usage["bytes"], usage["max_bytes"])


# core/files.list
def example_51(client: Client, tx: Transaction) -> None:
    for bucket in client.files.buckets.list():
        print(bucket["name"], bucket["public"])


# core/files.list
async def awaited_51(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for bucket in client.files.buckets.list():
        print(bucket["name"], bucket["public"])


# core/files.get
def example_52(client: Client, tx: Transaction) -> None:
    rules = client.files.buckets.get("photos")["rules"]


# core/files.get
async def awaited_52(client: AsyncClient, tx: AsyncTransaction) -> None:
    rules = (await client.files.buckets.get("photos"))["rules"]


# core/files.create
def example_53(client: Client, tx: Transaction) -> None:
    client.files.buckets.create("photos", {"mime": ["image/*"], "rules": {"get": "object.owner == auth.uid"}})


# core/files.create
async def awaited_53(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.buckets.create("photos", {"mime": ["image/*"], "rules": {"get": "object.owner == auth.uid"}})


# core/files.update
def example_54(client: Client, tx: Transaction) -> None:
    client.files.buckets.update("photos", {"max_bytes": 10_000_000})


# core/files.update
async def awaited_54(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.buckets.update("photos", {"max_bytes": 10_000_000})


# core/files.delete
def example_55(client: Client, tx: Transaction) -> None:
    client.files.buckets.delete("photos")


# core/files.delete
async def awaited_55(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.buckets.delete("photos")


# core/files.upload
def example_56(client: Client, tx: Transaction) -> None:
    with open("rye.jpg", "rb") as file:
        client.files.bucket("photos").upload("rye.jpg", file, content_type="image/jpeg")


# core/files.upload
async def awaited_56(client: AsyncClient, tx: AsyncTransaction) -> None:
    with open("rye.jpg", "rb") as file:
        await client.files.bucket("photos").upload("rye.jpg", file, content_type="image/jpeg")


# core/files.download
def example_57(client: Client, tx: Transaction) -> None:
    content = client.files.bucket("photos").download("rye.jpg")
    beginning = client.files.bucket("photos").download("rye.jpg", end=1024)
    small = client.files.bucket("photos").download("rye.jpg", transform={"width": 400, "format": "webp"})


# core/files.download
async def awaited_57(client: AsyncClient, tx: AsyncTransaction) -> None:
    content = await client.files.bucket("photos").download("rye.jpg")
    beginning = await client.files.bucket("photos").download("rye.jpg", end=1024)
    small = await client.files.bucket("photos").download("rye.jpg", transform={"width": 400, "format": "webp"})


# core/files.stream
def example_58(client: Client, tx: Transaction) -> None:
    with open("rye.jpg", "wb") as file:
        for piece in client.files.bucket("photos").stream("rye.jpg"):
            file.write(piece)


# core/files.stream
async def awaited_58(client: AsyncClient, tx: AsyncTransaction) -> None:
    with open("rye.jpg", "wb") as file:
        async for piece in client.files.bucket("photos").stream("rye.jpg"):
            file.write(piece)


# core/files.head
def example_59(client: Client, tx: Transaction) -> None:
    info = client.files.bucket("photos").head("rye.jpg")
    print(info.size, info.metadata)


# core/files.head
async def awaited_59(client: AsyncClient, tx: AsyncTransaction) -> None:
    info = await client.files.bucket("photos").head("rye.jpg")
    print(info.size, info.metadata)


# core/files.find
def example_60(client: Client, tx: Transaction) -> None:
    info = client.files.bucket("photos").find("rye.jpg")


# core/files.find
async def awaited_60(client: AsyncClient, tx: AsyncTransaction) -> None:
    info = await client.files.bucket("photos").find("rye.jpg")


# core/files.list
def example_61(client: Client, tx: Transaction) -> None:
    page = client.files.bucket("photos").list("2026/", delimiter="/")
    folders = page["prefixes"]


# core/files.list
async def awaited_61(client: AsyncClient, tx: AsyncTransaction) -> None:
    page = await client.files.bucket("photos").list("2026/", delimiter="/")
    folders = page["prefixes"]


# core/files.all
def example_62(client: Client, tx: Transaction) -> None:
    for file in client.files.bucket("photos").all("2026/"):
        print(file["key"], file["size"])


# core/files.all
async def awaited_62(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for file in client.files.bucket("photos").all("2026/"):
        print(file["key"], file["size"])


# core/files.remove
def example_63(client: Client, tx: Transaction) -> None:
    client.files.bucket("photos").remove("rye.jpg")


# core/files.remove
async def awaited_63(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.bucket("photos").remove("rye.jpg")


# core/files.remove_many
def example_64(client: Client, tx: Transaction) -> None:
    client.files.bucket("photos").remove_many(["a.jpg", "b.jpg"])


# core/files.remove_many
async def awaited_64(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.bucket("photos").remove_many(["a.jpg", "b.jpg"])


# core/files.copy
def example_65(client: Client, tx: Transaction) -> None:
    client.files.bucket("photos").copy("rye.jpg", "covers/rye.jpg")


# core/files.copy
async def awaited_65(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.bucket("photos").copy("rye.jpg", "covers/rye.jpg")


# core/files.move
def example_66(client: Client, tx: Transaction) -> None:
    client.files.bucket("photos").move("rye.jpg", "2026/rye.jpg", bucket="archive")


# core/files.move
async def awaited_66(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.files.bucket("photos").move("rye.jpg", "2026/rye.jpg", bucket="archive")


# core/files.sign
def example_67(client: Client, tx: Transaction) -> None:
    link = client.files.bucket("photos").sign("rye.jpg", expires_in=600)
    print(link.url)


# core/files.sign
async def awaited_67(client: AsyncClient, tx: AsyncTransaction) -> None:
    link = await client.files.bucket("photos").sign("rye.jpg", expires_in=600)
    print(link.url)


# core/functions.invoke
def example_68(client: Client, tx: Transaction) -> None:
    total = client.functions.invoke("checkout", {"basket": "b1"})["total"]


# core/functions.invoke
async def awaited_68(client: AsyncClient, tx: AsyncTransaction) -> None:
    total = (await client.functions.invoke("checkout", {"basket": "b1"}))["total"]


# core/functions.fetch
def example_69(client: Client, tx: Transaction) -> None:
    answer = client.functions.fetch("report", path="/2026.pdf")
    print(answer.status, answer.headers["content-type"], len(answer.content))


# core/functions.fetch
async def awaited_69(client: AsyncClient, tx: AsyncTransaction) -> None:
    answer = await client.functions.fetch("report", path="/2026.pdf")
    print(answer.status, answer.headers["content-type"], len(answer.content))


# core/functions.stream
def example_70(client: Client, tx: Transaction) -> None:
    for part in client.functions.stream("report", path="/2026.csv"):
        print(len(part))


# core/functions.stream
async def awaited_70(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for part in client.functions.stream("report", path="/2026.csv"):
        print(len(part))


# core/functions.list
def example_71(client: Client, tx: Transaction) -> None:
    for function in client.functions.list():
        print(function["name"], function["version"])


# core/functions.list
async def awaited_71(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for function in client.functions.list():
        print(function["name"], function["version"])


# core/functions.get
def example_72(client: Client, tx: Transaction) -> None:
    hello = client.functions.get("hello")


# core/functions.get
async def awaited_72(client: AsyncClient, tx: AsyncTransaction) -> None:
    hello = await client.functions.get("hello")


# core/functions.deploy
def example_73(client: Client, tx: Transaction) -> None:
    version = client.functions.deploy("hello", Path("hello.js").read_bytes(), config={"access": "public"})


# core/functions.deploy
async def awaited_73(client: AsyncClient, tx: AsyncTransaction) -> None:
    version = await client.functions.deploy("hello", Path("hello.js").read_bytes(), config={"access": "public"})


# core/functions.rollback
def example_74(client: Client, tx: Transaction) -> None:
    client.functions.rollback("hello", 3)


# core/functions.rollback
async def awaited_74(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.functions.rollback("hello", 3)


# core/functions.delete
def example_75(client: Client, tx: Transaction) -> None:
    client.functions.delete("hello")


# core/functions.delete
async def awaited_75(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.functions.delete("hello")


# core/functions.versions
def example_76(client: Client, tx: Transaction) -> None:
    for version in client.functions.versions("hello"):
        print(version["version"], version["active"])


# core/functions.versions
async def awaited_76(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for version in client.functions.versions("hello"):
        print(version["version"], version["active"])


# core/functions.bundle
def example_77(client: Client, tx: Transaction) -> None:
    code = client.functions.bundle("hello", 3)


# core/functions.bundle
async def awaited_77(client: AsyncClient, tx: AsyncTransaction) -> None:
    code = await client.functions.bundle("hello", 3)


# core/functions.runs
def example_78(client: Client, tx: Transaction) -> None:
    for run in client.functions.runs("resize", outcome="error"):
        print(run["started_at"], run["code"])


# core/functions.runs
async def awaited_78(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for run in client.functions.runs("resize", outcome="error"):
        print(run["started_at"], run["code"])


# core/functions.stats
def example_79(client: Client, tx: Transaction) -> None:
    stats = client.functions.stats("hello", hours=24)


# core/functions.stats
async def awaited_79(client: AsyncClient, tx: AsyncTransaction) -> None:
    stats = await client.functions.stats("hello", hours=24)


# core/functions.logs
def example_80(client: Client, tx: Transaction) -> None:
    for line in client.functions.logs("hello", follow=True, stop_after=60):
        print(line["at"], line["text"])


# core/functions.logs
async def awaited_80(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for line in client.functions.logs("hello", follow=True, stop_after=60):
        print(line["at"], line["text"])


# core/invites.list
def example_81(client: Client, tx: Transaction) -> None:
    for invite in client.users.invites.list():
        print(invite["email"])


# core/invites.list
async def awaited_81(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for invite in client.users.invites.list():
        print(invite["email"])


# core/invites.create
def example_82(client: Client, tx: Transaction) -> None:
    invite = client.users.invites.create("fred@example.com", role="editor")


# core/invites.create
async def awaited_82(client: AsyncClient, tx: AsyncTransaction) -> None:
    invite = await client.users.invites.create("fred@example.com", role="editor")


# core/invites.withdraw
def example_83(client: Client, tx: Transaction) -> None:
    client.users.invites.withdraw("uin_1")


# core/invites.withdraw
async def awaited_83(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.users.invites.withdraw("uin_1")


# core/jobs.enqueue
def example_84(client: Client, tx: Transaction) -> None:
    job = client.jobs.enqueue("resize", {"image": "rye.jpg"}, delay_seconds=60)


# core/jobs.enqueue
async def awaited_84(client: AsyncClient, tx: AsyncTransaction) -> None:
    job = await client.jobs.enqueue("resize", {"image": "rye.jpg"}, delay_seconds=60)


# core/jobs.list
def example_85(client: Client, tx: Transaction) -> None:
    for job in client.jobs.list(state="dead"):
        print(job["id"])


# core/jobs.list
async def awaited_85(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for job in client.jobs.list(state="dead"):
        print(job["id"])


# core/jobs.get
def example_86(client: Client, tx: Transaction) -> None:
    job = client.jobs.get("job_1")


# core/jobs.get
async def awaited_86(client: AsyncClient, tx: AsyncTransaction) -> None:
    job = await client.jobs.get("job_1")


# core/jobs.replay
def example_87(client: Client, tx: Transaction) -> None:
    client.jobs.replay("job_1")


# core/jobs.replay
async def awaited_87(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.jobs.replay("job_1")


# core/jobs.delete
def example_88(client: Client, tx: Transaction) -> None:
    client.jobs.delete("job_1")


# core/jobs.delete
async def awaited_88(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.jobs.delete("job_1")


# core/jobs.list
def example_89(client: Client, tx: Transaction) -> None:
    for schedule in client.schedules.list():
        print(schedule["function"], schedule["next_at"])


# core/jobs.list
async def awaited_89(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for schedule in client.schedules.list():
        print(schedule["function"], schedule["next_at"])


# core/project.as_user
def example_90(client: Client, tx: Transaction) -> None:
    posts = client.as_user("usr_1").data.collection("posts")


# core/project.as_user
async def awaited_90(client: AsyncClient, tx: AsyncTransaction) -> None:
    posts = client.as_user("usr_1").data.collection("posts")


# core/project.changes
def example_91(client: Client, tx: Transaction) -> None:
    for change in client.changes(since=0, follow=True, stop_after=60):
        print(change["seq"], change["op"], change["collection"], change["id"])


# core/project.changes
async def awaited_91(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for change in client.changes(since=0, follow=True, stop_after=60):
        print(change["seq"], change["op"], change["collection"], change["id"])


# core/project.export
def example_92(client: Client, tx: Transaction) -> None:
    for document in client.export("posts"):
        print(document["_id"])


# core/project.export
async def awaited_92(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for document in client.export("posts"):
        print(document["_id"])


# core/project.import_
def example_93(client: Client, tx: Transaction) -> None:
    result = client.import_([{"_id": "first", "title": "Hello"}], "posts", mode="replace")


# core/project.import_
async def awaited_93(client: AsyncClient, tx: AsyncTransaction) -> None:
    result = await client.import_([{"_id": "first", "title": "Hello"}], "posts", mode="replace")


# core/project.token
def example_94(client: Client, tx: Transaction) -> None:
    token = client.token(["data:posts:read"])
    print(token.value, token.expires_at)


# core/project.token
async def awaited_94(client: AsyncClient, tx: AsyncTransaction) -> None:
    token = await client.token(["data:posts:read"])
    print(token.value, token.expires_at)


# core/transaction.collection
def example_95(client: Client, tx: Transaction) -> None:
    accounts = tx.collection("accounts")


# core/transaction.collection
async def awaited_95(client: AsyncClient, tx: AsyncTransaction) -> None:
    accounts = tx.collection("accounts")


# core/transaction.get
def example_96(client: Client, tx: Transaction) -> None:
    account = tx.collection("accounts").get("ada")


# core/transaction.get
async def awaited_96(client: AsyncClient, tx: AsyncTransaction) -> None:
    account = await tx.collection("accounts").get("ada")


# core/transaction.find
def example_97(client: Client, tx: Transaction) -> None:
    account = tx.collection("accounts").find("ada")


# core/transaction.find
async def awaited_97(client: AsyncClient, tx: AsyncTransaction) -> None:
    account = await tx.collection("accounts").find("ada")


# core/transaction.query
def example_98(client: Client, tx: Transaction) -> None:
    page = tx.collection("seats").query({"taken": False}, limit=1)


# core/transaction.query
async def awaited_98(client: AsyncClient, tx: AsyncTransaction) -> None:
    page = await tx.collection("seats").query({"taken": False}, limit=1)


# core/transaction.create
def example_99(client: Client, tx: Transaction) -> None:
    tx.collection("entries").create({"amount": -10})


# core/transaction.create
async def awaited_99(client: AsyncClient, tx: AsyncTransaction) -> None:
    tx.collection("entries").create({"amount": -10})


# core/transaction.put
def example_100(client: Client, tx: Transaction) -> None:
    tx.collection("names").put("ada", {"owner": "usr_1"})


# core/transaction.put
async def awaited_100(client: AsyncClient, tx: AsyncTransaction) -> None:
    tx.collection("names").put("ada", {"owner": "usr_1"})


# core/transaction.patch
def example_101(client: Client, tx: Transaction) -> None:
    tx.collection("accounts").patch("ada", {"$inc": {"balance": -10}})


# core/transaction.patch
async def awaited_101(client: AsyncClient, tx: AsyncTransaction) -> None:
    tx.collection("accounts").patch("ada", {"$inc": {"balance": -10}})


# core/transaction.delete
def example_102(client: Client, tx: Transaction) -> None:
    tx.collection("names").delete("ada")


# core/transaction.delete
async def awaited_102(client: AsyncClient, tx: AsyncTransaction) -> None:
    tx.collection("names").delete("ada")


# core/users.get
def example_103(client: Client, tx: Transaction) -> None:
    user = client.users.get("usr_1")


# core/users.get
async def awaited_103(client: AsyncClient, tx: AsyncTransaction) -> None:
    user = await client.users.get("usr_1")


# core/users.get_by_email
def example_104(client: Client, tx: Transaction) -> None:
    user = client.users.get_by_email("eve@example.com")


# core/users.get_by_email
async def awaited_104(client: AsyncClient, tx: AsyncTransaction) -> None:
    user = await client.users.get_by_email("eve@example.com")


# core/users.list
def example_105(client: Client, tx: Transaction) -> None:
    page = client.users.list(role="editor", limit=50)


# core/users.list
async def awaited_105(client: AsyncClient, tx: AsyncTransaction) -> None:
    page = await client.users.list(role="editor", limit=50)


# core/users.all
def example_106(client: Client, tx: Transaction) -> None:
    for user in client.users.all(banned=True):
        print(user["id"])


# core/users.all
async def awaited_106(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for user in client.users.all(banned=True):
        print(user["id"])


# core/users.create
def example_107(client: Client, tx: Transaction) -> None:
    user = client.users.create(email="eve@example.com", role="editor", claims={"team": "one"})


# core/users.create
async def awaited_107(client: AsyncClient, tx: AsyncTransaction) -> None:
    user = await client.users.create(email="eve@example.com", role="editor", claims={"team": "one"})


# core/users.update
def example_108(client: Client, tx: Transaction) -> None:
    client.users.update("usr_1", role="editor", banned=False)


# core/users.update
async def awaited_108(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.users.update("usr_1", role="editor", banned=False)


# core/users.delete
def example_109(client: Client, tx: Transaction) -> None:
    client.users.delete("usr_1")


# core/users.delete
async def awaited_109(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.users.delete("usr_1")


# core/users.sign_out
def example_110(client: Client, tx: Transaction) -> None:
    client.users.sign_out("usr_1")


# core/users.sign_out
async def awaited_110(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.users.sign_out("usr_1")


# core/users.sessions
def example_111(client: Client, tx: Transaction) -> None:
    for session in client.users.sessions("usr_1"):
        print(session["ip"], session["last_used_at"])


# core/users.sessions
async def awaited_111(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for session in client.users.sessions("usr_1"):
        print(session["ip"], session["last_used_at"])


# core/users.activity
def example_112(client: Client, tx: Transaction) -> None:
    for entry in client.users.activity("usr_1"):
        print(entry["at"], entry["action"], entry["outcome"])


# core/users.activity
async def awaited_112(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for entry in client.users.activity("usr_1"):
        print(entry["at"], entry["action"], entry["outcome"])


# core/users.impersonate
def example_113(client: Client, tx: Transaction) -> None:
    session = client.users.impersonate("usr_1", reason="ticket 4711")


# core/users.impersonate
async def awaited_113(client: AsyncClient, tx: AsyncTransaction) -> None:
    session = await client.users.impersonate("usr_1", reason="ticket 4711")


# core/users.create_link
def example_114(client: Client, tx: Transaction) -> None:
    link = client.users.create_link("usr_1", "password_reset")


# core/users.create_link
async def awaited_114(client: AsyncClient, tx: AsyncTransaction) -> None:
    link = await client.users.create_link("usr_1", "password_reset")


# core/users.reset_factors
def example_115(client: Client, tx: Transaction) -> None:
    client.users.reset_factors("usr_1")


# core/users.reset_factors
async def awaited_115(client: AsyncClient, tx: AsyncTransaction) -> None:
    await client.users.reset_factors("usr_1")


# core/users.change_many
def example_116(client: Client, tx: Transaction) -> None:
    result = client.users.change_many("sign_out", filter={"role": "guest"})


# core/users.change_many
async def awaited_116(client: AsyncClient, tx: AsyncTransaction) -> None:
    result = await client.users.change_many("sign_out", filter={"role": "guest"})


# core/users.export
def example_117(client: Client, tx: Transaction) -> None:
    for user in client.users.export():
        print(user["id"])


# core/users.export
async def awaited_117(client: AsyncClient, tx: AsyncTransaction) -> None:
    async for user in client.users.export():
        print(user["id"])


# core/users.import_
def example_118(client: Client, tx: Transaction) -> None:
    result = client.users.import_([{"id": "u1", "email": "eve@example.com"}], on_conflict="update")


# core/users.import_
async def awaited_118(client: AsyncClient, tx: AsyncTransaction) -> None:
    result = await client.users.import_([{"id": "u1", "email": "eve@example.com"}], on_conflict="update")


# sync/client.Client
def example_119(client: Client, tx: Transaction) -> None:
    with Client("https://api.example.com", "sk_…") as client:
        client.data.collection("posts").create({"title": "Hello"})


# sync/client.from_env
def example_120(client: Client, tx: Transaction) -> None:
    client = Client.from_env()


# sync/client.with_options
def example_121(client: Client, tx: Transaction) -> None:
    patient = client.with_options(timeout=120, retries=5)


# sync/client.close
def example_122(client: Client, tx: Transaction) -> None:
    client.close()


# aio/client.AsyncClient
async def awaited_123(client: AsyncClient, tx: AsyncTransaction) -> None:
    async with AsyncClient("https://api.example.com", "sk_…") as client:
        await client.data.collection("posts").create({"title": "Hello"})


# aio/client.from_env
async def awaited_124(client: AsyncClient, tx: AsyncTransaction) -> None:
    client = AsyncClient.from_env()


# aio/client.with_options
async def awaited_125(client: AsyncClient, tx: AsyncTransaction) -> None:
    patient = client.with_options(timeout=120, retries=5)
