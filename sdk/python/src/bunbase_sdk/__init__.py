"""The Python client of BunBase for servers and scripts: documents, users, functions and jobs of one project.

`Client` waits for each answer, and `AsyncClient` is for asyncio; both have the same methods. If a call fails, it raises
a Problem.
"""

from bunbase_sdk import models, webhooks
from bunbase_sdk.aio.client import AsyncClient
from bunbase_sdk.aio.collection import AsyncCollection
from bunbase_sdk.aio.project import AsyncProject
from bunbase_sdk.aio.transaction import AsyncTransaction
from bunbase_sdk.channel_values import HeardMessage, Member, Members
from bunbase_sdk.core.credentials import ServiceAccount
from bunbase_sdk.core.tokens import ServiceToken
from bunbase_sdk.core.verify import Claims
from bunbase_sdk.file_values import FileInfo, ImageTransform, SignedLink
from bunbase_sdk.function_answer import FunctionAnswer
from bunbase_sdk.live_result import LiveResult
from bunbase_sdk.page import Page
from bunbase_sdk.problem import Conflict, Denied, NotFound, Problem, RateLimited, Unreachable
from bunbase_sdk.sync.client import Client
from bunbase_sdk.sync.collection import Collection
from bunbase_sdk.sync.project import Project
from bunbase_sdk.sync.transaction import Transaction

__all__ = [
    "AsyncClient",
    "AsyncCollection",
    "AsyncProject",
    "AsyncTransaction",
    "Claims",
    "Client",
    "Collection",
    "Conflict",
    "Denied",
    "FileInfo",
    "FunctionAnswer",
    "HeardMessage",
    "ImageTransform",
    "LiveResult",
    "Member",
    "Members",
    "NotFound",
    "Page",
    "Problem",
    "Project",
    "RateLimited",
    "ServiceAccount",
    "ServiceToken",
    "SignedLink",
    "Transaction",
    "Unreachable",
    "models",
    "webhooks",
]
