"""The ASGI app of the S3 port.

The life of one request:

1. The signature is parsed, and the secret of its access key id is found (in the cache of the gateway, or in Platform).
2. The signature is verified, before any byte of the body is read. A client that waits for `100 Continue` gets it with
   the first read.
3. The table of operations names the operation. The access of the credential, and its buckets, are checked.
4. The operation calls the contract of Storage, and returns an Answer. A Problem or an S3Error becomes an `<Error>`.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from bunbase.contracts.acts import Act
from bunbase.contracts.caller import Caller, CallerKind
from bunbase.contracts.s3_credentials import S3Holder
from bunbase.contracts.storage import BucketNotFound, Storage
from bunbase.pkg import context, metrics
from bunbase.pkg.errors import ClientGone, DeadlineExceeded, Problem
from bunbase.pkg.http1.incoming import incoming
from bunbase.pkg.ids import new_id
from bunbase.pkg.logger import logger
from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import parse, verify
from bunbase.pkg.s3.uri import bucket_and_key, parameters, query_pairs
from bunbase.pkg.s3.xml import error_document
from bunbase.storage.routes.answer import send_piece
from bunbase.storage.routes.s3 import buckets, copying, cors, details, listing, multipart, objects
from bunbase.storage.routes.s3.answer import XML, Answer, error_of
from bunbase.storage.routes.s3.call import BUCKET_NAME, S3Call, check_headers, checked_key, with_moved_headers
from bunbase.storage.routes.s3.operations import Level, Operation, operation_of

log = logger("storage")

SILENCE_SECONDS: Final = 60.0
CHECK_SECONDS: Final = 30.0  # a download that takes longer checks its credential again and again
UNKNOWN: Final = "unknown"  # the name of a request that was refused before its operation was known
NO_BODY: Final = (204, 304)
NAMED_KEY: Final = re.compile(r"\bCredential=([A-Za-z0-9_]{1,64})/")

Handler = Callable[[S3Call], Awaitable[Answer]]
HANDLERS: Final[dict[str, Handler]] = {
    **buckets.HANDLERS,
    **listing.HANDLERS,
    **objects.HANDLERS,
    **copying.HANDLERS,
    **details.HANDLERS,
    **multipart.HANDLERS,
}
AUDITED: Final = {
    "CreateBucket": Act.BUCKET_CREATE,
    "DeleteBucket": Act.BUCKET_DELETE,
    "PutBucketCors": Act.BUCKET_UPDATE,
    "DeleteBucketCors": Act.BUCKET_UPDATE,
}


class Door(Protocol):
    """The part of the gateway that the port needs."""

    async def holder(self, access_key_id: str, address: str) -> S3Holder:
        """Return the holder of a credential. Raises: InvalidKey, RateLimited, ProjectSuspended, Unreachable."""
        ...

    def address(self, scope: Any) -> str:
        """Return the address of the client."""
        ...

    async def begin_act(self, caller: Caller, act: Act, target: str) -> str:
        """Begin an entry of the audit log, and return its id. Raises: AuditUnavailable."""
        ...

    async def end_act(self, id: str, status: int) -> None: ...


class S3App:
    """`base_host`: the host below which buckets are hosts, or empty. `now`: returns the time."""

    def __init__(
        self, storage: Storage, door: Door, base_host: str = "", now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.storage = storage
        self.door = door
        self.base_host = base_host.lower()
        self.now = now

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request_id, started, name = new_id("req"), time.perf_counter(), UNKNOWN
        call: S3Call | None = None
        context.request_id.set(request_id)
        headers = _headers(scope)
        try:
            late = DeadlineExceeded(f"No data arrived for {SILENCE_SECONDS:g} seconds; send the request again.")
            incoming(scope).may_be_silent(SILENCE_SECONDS, late)
            bucket, key, query = self._place(scope, headers)
            level = Level.OBJECT if key else Level.BUCKET if bucket else Level.SERVICE
            if scope["method"] == "OPTIONS":
                answer = await self._preflight(scope, level, bucket, query, headers)
                name = "preflight"
            else:
                call = await self._call(scope, receive, bucket, key, query, headers)
                operation = operation_of(level, scope["method"], call.parameters, call.headers)
                name = operation.name
                answer = await self._answered(operation, call)
                if answer.pieces is not None:
                    answer.pieces = checked(answer.pieces, call)
            code = "OK"
        except (S3Error, Problem) as problem:
            if isinstance(problem, ClientGone):
                metrics.s3_requests.labels(name, problem.code).inc()
                return
            error = problem if isinstance(problem, S3Error) else error_of(problem)
            answer, code = _refused(error, scope, request_id), error.code
        except Exception:
            log.exception("a request to the S3 port failed", operation=name)
            error = S3Error("InternalError", "We encountered an internal error. Please try again.")
            answer, code = _refused(error, scope, request_id), error.code
        if call is not None:
            await self._share(call, answer)
        metrics.s3_requests.labels(name, code).inc()
        seconds = round((time.perf_counter() - started) * 1000, 2)
        log.info(f"s3 {name}", status=answer.status, code=code, ms=seconds)
        await _send(answer, scope, request_id, send)

    def _place(self, scope: Any, headers: dict[str, str]) -> tuple[str, str, dict[str, str]]:
        """Return the bucket, the key and the parameters. Raises: S3Error."""
        raw: bytes = scope["raw_path"].partition(b"?")[0]
        host = headers.get("host", "").partition(":")[0].lower()
        if self.base_host and host.endswith("." + self.base_host):
            bucket, key = host.removesuffix("." + self.base_host), bucket_and_key(b"/x" + raw)[1]
        else:
            bucket, key = bucket_and_key(raw)
        return bucket, checked_key(key), parameters(query_pairs(scope["query_string"]))

    async def _call(
        self, scope: Any, receive: Any, bucket: str, key: str, query: dict[str, str], headers: dict[str, str]
    ) -> S3Call:
        """Return the request, after checking its signature. Raises: S3Error, RateLimited, Unreachable."""
        raw: bytes = scope["raw_path"].partition(b"?")[0]
        if "AWSAccessKeyId" in query or headers.get("authorization", "").startswith("AWS "):
            raise S3Error(
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256; in "
                'boto3: Config(signature_version="s3v4").',
            )
        signed = parse(scope["method"], raw, scope["query_string"], scope["headers"])
        address = self.door.address(scope)
        holder = await self.door.holder(signed.access_key, address)
        payload = verify(signed, holder.secret, self.now())
        if signed.presigned:
            query, headers = with_moved_headers(query, headers)

        async def check_again() -> None:
            if await self.door.holder(signed.access_key, address) != holder:
                raise S3Error("AccessDenied", "This credential has changed: send the request again.")

        agent = headers.get("user-agent", "")[:200]
        caller = Caller(
            CallerKind.SECRET,
            project=holder.project,
            ip=address,
            agent=agent,
            key=holder.access_key_id,
            scopes=(holder.access,),
            buckets=holder.buckets,
        )
        path = raw.decode("ascii", "replace")
        return S3Call(
            self.storage,
            caller,
            holder,
            payload,
            scope["method"],
            path,
            bucket,
            key,
            query,
            headers,
            receive,
            check_again,
        )

    async def _answered(self, operation: Operation, call: S3Call) -> Answer:
        """Raises: S3Error, and the problems of Storage."""
        if operation.writes and call.holder.access != "write":
            raise S3Error("AccessDenied", "This credential may only read.")
        if call.bucket:
            call.check_bucket(call.bucket)
        check_headers(call)
        act = AUDITED.get(operation.name)
        if act is not None and not BUCKET_NAME.fullmatch(call.bucket):  # the audit log must not store such a text
            code = "InvalidBucketName" if operation.name == "CreateBucket" else "NoSuchBucket"
            raise S3Error(code, "The specified bucket is not valid.", BucketName=call.bucket[:100])
        if act is None:
            return await HANDLERS[operation.name](call)
        entry = await self.door.begin_act(call.caller, act, call.bucket)
        status = 500
        try:
            answer = await HANDLERS[operation.name](call)
            status = answer.status
            return answer
        except S3Error as error:
            status = error.status
            raise
        except Problem as problem:
            status = problem.status
            raise
        finally:
            await self.door.end_act(entry, status)

    async def _preflight(
        self, scope: Any, level: Level, bucket: str, query: dict[str, str], headers: dict[str, str]
    ) -> Answer:
        """Answer a browser that asks whether a page may use a presigned URL: its access key id names the project."""
        cors.check_preflight(headers)
        found = NAMED_KEY.search(headers.get("authorization", ""))
        access_key = query.get("X-Amz-Credential", "").partition("/")[0] or (found[1] if found else "")
        if not access_key:
            raise cors.refused(headers, level, cors.UNNAMED)
        refused = cors.refused(headers, level, "CORS is not enabled for this bucket.")
        holder = await self.door.holder(access_key, self.door.address(scope))
        if not bucket or (holder.buckets and bucket not in holder.buckets):
            raise refused
        caller = Caller(CallerKind.SECRET, project=holder.project, key=holder.access_key_id, scopes=(holder.access,))
        try:
            rules = (await self.storage.bucket(caller, bucket)).cors
        except BucketNotFound:  # the request is not signed, so it must not tell which buckets exist
            raise refused from None
        return cors.preflight(rules, headers, level)

    async def _share(self, call: S3Call, answer: Answer) -> None:
        """Add the headers that let a page read the answer, if the bucket has a rule for its origin. A page also reads
        errors, if the request was signed correctly. Never raises.
        """
        if "origin" not in call.headers or not call.bucket or not call.may_use(call.bucket):
            return
        try:
            rules = (await self.storage.bucket(call.caller, call.bucket)).cors
        except Problem:
            return
        answer.headers.update(cors.shared(rules, call.headers["origin"], call.method))


async def checked(pieces: AsyncIterator[bytes], call: S3Call) -> AsyncIterator[bytes]:
    """Yield the bytes of a download, and check the credential every CHECK_SECONDS, as an upload does at its end.

    A download goes on while the credential cannot be looked up. Raises: InvalidKey, S3Error.
    """
    due = time.monotonic() + CHECK_SECONDS
    try:
        async for piece in pieces:
            if time.monotonic() >= due:
                try:
                    await call.check_again()
                except Problem as problem:
                    if problem.status < 500 and problem.status != 429:
                        raise
                due = time.monotonic() + CHECK_SECONDS
            yield piece
    finally:
        source: Any = pieces
        await source.aclose()


def _headers(scope: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1")
        try:
            value = raw_value.decode()
        except UnicodeDecodeError:
            value = raw_value.decode("latin-1")
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _refused(error: S3Error, scope: Any, request_id: str) -> Answer:
    headers = {"content-type": XML}
    if error.code in ("SlowDown", "ServiceUnavailable"):
        headers["retry-after"] = "1"
    if error.code == "InvalidRange":
        headers["content-range"] = f"bytes */{error.extra.get('ActualObjectSize', '0')}"
    path = scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
    return Answer(error.status, headers, error_document(error, path, request_id))


async def _send(answer: Answer, scope: Any, request_id: str, send: Any) -> None:
    head = scope["method"] == "HEAD"
    headers = {
        "x-amz-request-id": request_id,
        "x-content-type-options": "nosniff",
        **answer.headers,
    }
    if answer.status in NO_BODY or (head and "content-length" not in headers):
        answer.body = b""
    if answer.pieces is None and "content-length" not in headers and answer.status not in NO_BODY:
        headers["content-length"] = str(len(answer.body))
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    try:
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        if answer.pieces is not None and not head:
            async for piece in answer.pieces:
                await send_piece(scope, send, piece)
        await send({"type": "http.response.body", "body": b"" if head else answer.body})
    except ClientGone:
        pass
    except (Problem, S3Error) as problem:
        log.warning("a download was cut off", code=problem.code)  # without the last message the connection closes
    finally:
        if answer.pieces is not None:
            close: Any = answer.pieces
            await close.aclose()
