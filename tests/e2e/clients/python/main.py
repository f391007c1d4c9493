# mypy: disable-error-code="import-not-found,import-untyped,unused-ignore"
"""Writes a document, finds it, and looks for a missing document, with the client that openapi-python-client makes."""

from __future__ import annotations

import os

from bunbase_client import AuthenticatedClient
from bunbase_client.api.documents import aggregate_documents, create_document, get_document, query_documents
from bunbase_client.models import (
    AggregatedGroups,
    Document,
    DocumentAggregation,
    DocumentPage,
    DocumentQuery,
    NewDocument,
    Problem,
)

key = AuthenticatedClient(
    base_url=os.environ["BUNBASE_URL"], token=os.environ["BUNBASE_KEY"], prefix="", auth_header_name="X-Bunbase-Key"
)

sent = NewDocument.from_dict({"title": "Python", "likes": 3})
created = create_document.sync("posts", client=key, body=sent)
assert isinstance(created, Document), created
id: str = created.field_id
revision: int = created.field_rev

query = DocumentQuery.from_dict({"where": {"title": "Python", "likes": {"$gte": 3}}})
query.sort = ["-_created"]
query.limit = 5
page = query_documents.sync("posts", client=key, body=query)
assert isinstance(page, DocumentPage), page
next_cursor: str | None = page.next_
assert [one.field_id for one in page.items] == [id]
assert (page.items[0]["likes"], revision, next_cursor) == (3, 1, None)

groups = aggregate_documents.sync(
    "posts", client=key, body=DocumentAggregation.from_dict({"values": {"total": {"$sum": "likes"}}})
)
assert isinstance(groups, AggregatedGroups), groups
assert groups.items[0]["total"] >= 3

missing = get_document.sync("posts", "missing", client=key)
assert isinstance(missing, Problem), missing
code: str = missing.code
assert code == "document_not_found"
