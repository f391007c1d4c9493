"""Public HTTP of Bundoc: `/v1/{data,commit,changes,collections,rules}`, `/api/projects/{project}/data-key`."""

from __future__ import annotations

from bunbase.bundoc.routes import collections, documents, keys, queries, rules, shadowed

ROUTES = (*documents.ROUTES, *shadowed.ROUTES, *queries.ROUTES, *collections.ROUTES, *rules.ROUTES, *keys.ROUTES)
