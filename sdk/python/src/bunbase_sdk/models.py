"""The types of answers and bodies. Written by `make gen` from docs/reference/openapi.json."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

Access: TypeAlias = Literal["key", "public", "secret", "user"]
ActedBy: TypeAlias = Literal["key", "member", "system", "unknown", "user"]
Authenticity: TypeAlias = Literal["altered", "proved", "unauthenticated", "unreadable"]
BackupReason: TypeAlias = Literal["before_restore", "manual", "scheduled", "unknown"]
BulkAction: TypeAlias = Literal["ban", "delete", "sign_out", "unban"]
ChangeOp: TypeAlias = Literal["create", "delete", "update"]
JobKind: TypeAlias = Literal["create", "restore", "verify"]
JobState: TypeAlias = Literal["done", "failed", "queued", "running"]
JobStatus: TypeAlias = Literal["blocked", "dead", "running", "waiting"]
LinkKind: TypeAlias = Literal["password_reset", "sign_in", "verify_email"]
LogLevel: TypeAlias = Literal["debug", "error", "info", "warn"]
RunOutcome: TypeAlias = Literal["crash", "error", "lost", "ok", "resync", "skipped", "timeout"]
TriggerKind: TypeAlias = Literal["change", "cron", "hook", "job"]
UserActOutcome: TypeAlias = Literal["challenged", "done", "refused"]


class BackedUpCollection(TypedDict):
    """`bytes`: the size of the documents in their stored form."""

    bytes: int
    documents: int
    name: str


class BackedUpFile(TypedDict):
    bytes: int
    name: str
    sha256: str


class BackedUpObjects(TypedDict):
    """The files in a backup. `objects`, `bytes`: the number and the size of all objects; each copy of an object
    counts.

    `blobs`, `blob_bytes`: the blobs that hold them, and the bytes of these blobs in the archive, which all
    backups of the project share. `taken_at`: the moment at which the list of objects was copied. `changed_at`:
    the time of the last write of files before the backup, in nanoseconds since 1970.
    """

    blob_bytes: int
    blobs: int
    bytes: int
    changed_at: int
    objects: int
    taken_at: str


class Backup(TypedDict):
    """A backup in a list. `authenticity`: the result for the manifest only; a verification also reads the files.

    For an UNREADABLE backup, only `id` and `created_at` are known; the time comes from the id.
    """

    authenticity: Authenticity
    bunbase: str
    collections: list[BackedUpCollection]
    created_at: str
    documents_at: str
    files: list[BackedUpFile]
    format: int
    id: str
    key_version: int
    objects: BackedUpObjects | None
    project: str
    reason: BackupReason
    seq: int
    source_changed_at: int
    users: int | None


class BackupJob(TypedDict):
    """`backup`: the backup that the job makes, verifies or restores. `done_bytes`, `total_bytes`: the progress;
    `total_bytes` is 0 until the size is known.

    `safety_backup`: the backup of the documents that a restore replaced. `problem`: the reason for a failure, as
    a problem document. `users`: the results of a restore with users, with the first 100 users that were refused.
    A `line` is the place of a user in the backup, where users are ordered by id. `files`: true if the job also
    copies, checks or restores files.
    """

    backup: str
    created_at: str
    done_bytes: int
    files: bool
    from_project: str
    id: str
    kind: JobKind
    problem: dict[str, Any] | None
    project: str
    safety_backup: str | None
    state: JobState
    total_bytes: int
    users: ImportedUsers | None


class BackupScheduleState(TypedDict):
    """`own`: true if the project has its own schedule instead of the schedule of the instance."""

    every_hours: int
    files: bool
    kept: int
    own: bool
    users: bool


class BeforeWrite(TypedDict):
    """The function whose hook `beforeWrite` is called before documents are written (docs/before-writes.md).

    `on`: the kinds of writes for which the function is called. `timeout_ms`: the time limit for the answer of
    the function. If the function does not answer in time, the write fails.
    """

    function: str
    on: NotRequired[list[Literal["create", "delete", "update"]]]
    timeout_ms: NotRequired[int]


class BucketChanges(TypedDict):
    """The settings to replace; the others stay."""

    cache_control: NotRequired[str]
    cors: NotRequired[list[CorsRule]]
    max_bytes: NotRequired[int]
    mime: NotRequired[list[str]]
    public: NotRequired[bool]
    rules: NotRequired[BucketRules]


class BucketInfo(TypedDict):
    cache_control: NotRequired[str]
    cors: NotRequired[list[CorsRule]]
    created_at: str
    max_bytes: NotRequired[int]
    mime: NotRequired[list[str]]
    name: str
    public: NotRequired[bool]
    rules: NotRequired[BucketRules]


BucketRules = TypedDict(
    "BucketRules",
    {
        "create": "NotRequired[str | None]",
        "delete": "NotRequired[str | None]",
        "get": "NotRequired[str | None]",
        "list": "NotRequired[str | None]",
        "update": "NotRequired[str | None]",
    },
)


class BulkFilter(TypedDict):
    """The conditions of `GET /v1/auth/users`.

    At least one condition must be set. A user must match all conditions that are set.
    """

    anonymous: NotRequired[bool | None]
    banned: NotRequired[bool | None]
    created_since: NotRequired[str | datetime | None]
    email: NotRequired[str | None]
    phone: NotRequired[str | None]
    provider: NotRequired[str | None]
    q: NotRequired[str | None]
    role: NotRequired[str | None]


class BulkResult(TypedDict):
    """`done`: the number of users to whom the act was done: all users except the users in `failed`.

    `digest`: the SHA-256 of the sorted ids of these users; a line feed follows each id. `next`: the cursor for
    the next users of a filter.
    """

    action: BulkAction
    digest: str
    done: int
    failed: list[NotChanged]
    next: str | None


class Change(TypedDict):
    """A change of a document. `rev`: the new revision, or the last revision of a deleted document. `depth`: the
    number of triggered function runs in a row that led to the change. `before`: the document before the change,
    if its collection has `before_images`; left out for a created document, and if the log no longer has it.
    """

    at: str
    before: NotRequired[dict[str, Any]]
    collection: str
    depth: NotRequired[int]
    id: str
    op: Literal["create", "delete", "update"]
    rev: int
    seq: int


class ChannelMessage(TypedDict):
    """A message for a channel. `data`: any JSON of at most 32 KiB. `key`: within two minutes, a message with the
    same key is not published a second time.
    """

    channel: str
    data: Any
    key: NotRequired[str]


class ChannelRules(TypedDict):
    """The sources of the rules, in CEL. Without a rule, only the secret key and members of the project may do the
    act.

    Variables: `auth`, `channel`, `params` (the parts of the name that match `{…}` in the pattern) and `now`.
    `message` is the data to publish, or the presence of a member; null for a caller that only wants to see the
    members.
    """

    presence: NotRequired[str | None]
    publish: NotRequired[str | None]
    subscribe: NotRequired[str | None]


class ChannelSpec(TypedDict):
    """The definition of the channels whose names match one pattern. `history`: the messages that a channel keeps;
    None if it keeps no messages. `presence`: true if the channels have a list of members.
    """

    history: NotRequired[History | None]
    presence: NotRequired[bool]
    rules: NotRequired[ChannelRules]


class CollectionInfo(TypedDict):
    """`documents`: the number of documents.

    `bytes`: the stored size of the documents. Only the answer about a single collection has these two numbers.

    `warnings`: only in the answer to a change. The warnings name list rules under which lists will be refused
    when the collection has grown, and a function that cannot answer before writes.
    """

    before_images: NotRequired[bool]
    before_write: NotRequired[BeforeWrite | None]
    bytes: NotRequired[int | None]
    created_at: str
    documents: NotRequired[int | None]
    expires: NotRequired[str | None]
    indexes: NotRequired[list[IndexState]]
    max_scan: NotRequired[int | None]
    name: str
    rules: NotRequired[Rules | None]
    schema: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]
    warnings: NotRequired[list[RuleWarning | HookWarning] | None]


class CollectionSpec(TypedDict):
    """The requested state of a collection.

    Members that are left out stay as they are; null or an empty value removes them.

    `expires`: the dotted path of the field with the time (RFC 3339) at which the document expires. `schema`:
    JSON Schema 2020-12. `strict`: true if objects may have only the fields that the schema describes.
    `before_write`: the function that is called before each write. `before_images`: true if the change log keeps
    each document as it was before an update or delete. `max_scan`: the number of documents that a query of a
    caller bound by rules may examine, at most `bundoc.server_scan`; null for the number in the setting
    `bundoc.max_scan`.
    """

    before_images: NotRequired[bool]
    before_write: NotRequired[BeforeWrite | None]
    expires: NotRequired[str | None]
    indexes: NotRequired[list[IndexSpec]]
    max_scan: NotRequired[int | None]
    rules: NotRequired[Rules | None]
    schema: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool]


class Commit(TypedDict):
    """`seq`: the number of the project's newest change after the commit."""

    results: list[CommitResult]
    seq: int


class CommitResult(TypedDict):
    """`rev`: the revision after the commit, 0 if there is no document."""

    id: str
    rev: int


class CorsRule(TypedDict):
    """The pages that may use presigned URLs of the S3 port. `origins`, `headers`: texts with at most one `*`.
    `expose`: the headers of answers that pages may read.
    """

    expose: NotRequired[list[str]]
    headers: NotRequired[list[str]]
    id: NotRequired[str]
    max_age_seconds: NotRequired[int | None]
    methods: list[Literal["DELETE", "GET", "HEAD", "POST", "PUT"]]
    origins: list[str]


class DataTrigger(TypedDict):
    """The changes that run a function: of documents in a `collection`, or of files in a `bucket`.

    `where`: a filter for the document; not allowed with deletions. `prefix`: only files whose keys begin with
    this text.
    """

    bucket: NotRequired[str]
    collection: NotRequired[str]
    ops: NotRequired[list[ChangeOp]]
    prefix: NotRequired[str]
    where: NotRequired[dict[str, Any] | None]


class Decision(TypedDict):
    """The result of one case. `hidden`: the fields of `doc` that are hidden from the caller."""

    allowed: bool
    hidden: list[str]
    trace: list[Step]


class Decisions(TypedDict):
    """`items`: one decision for each case, in order. `warnings`: list rules that will refuse lists when the
    collection has grown.
    """

    coverage: list[RuleCoverage]
    items: list[Decision]
    warnings: list[RuleWarning]


class DeletedObject(TypedDict):
    """`deleted`: true if the object does not exist now. `code`: the code of the problem if it still exists."""

    code: NotRequired[str | None]
    deleted: bool
    key: str


class DocumentWrite(TypedDict):
    """`data`: the document for create and put, the changes for patch.

    `if_rev`: write only if this revision is stored now; 0 means that there must be no document. `id`: the id of
    the document, which only `create` may leave out.
    """

    collection: str
    data: NotRequired[dict[str, Any]]
    id: NotRequired[str | None]
    if_rev: NotRequired[int | None]
    op: Literal["check", "create", "delete", "patch", "put"]


class FirebaseParts(TypedDict):
    """The names are the names in Firebase's console. All texts are in base64."""

    hash: str
    mem_cost: int
    rounds: int
    salt: str
    salt_separator: str
    scheme: Literal["firebase-scrypt"]
    signer_key: str


class FunctionConfig(TypedDict):
    """The settings of a version. `cpu_ms`: the maximum processor time of one call; `allow_net`: the hosts that
    `fetch` may reach.

    `schedule`: a cron line in UTC, or a Schedule. `on`: the changes of documents and files that run the
    function. `max_batch`: the maximum number of changes that one call gets, as `{"events": […]}`. By default, a
    call gets one change, which is then the whole body.
    """

    access: NotRequired[Access]
    allow_net: NotRequired[list[str]]
    concurrency: NotRequired[int]
    cpu_ms: NotRequired[int]
    max_batch: NotRequired[int | None]
    memory_mb: NotRequired[int]
    on: NotRequired[list[DataTrigger]]
    schedule: NotRequired[str | Schedule | None]
    timeout_ms: NotRequired[int]


class FunctionHour(TypedDict):
    """Statistics of one hour. `hour`: the start of the hour.

    `calls`: the number of calls that reached a worker. `errors`: the number of these calls that threw an error,
    crashed or timed out. `refused`: the number of calls that reached no worker. Percentiles are accurate within
    about 12 %; they are null if nothing ran. `cpu_ms`: the processor time of the workers, including the time
    between calls, but without the start.
    """

    calls: int
    cold_starts: int
    cpu_ms: float
    errors: int
    hour: str
    memory_peak_mb: float
    p50_ms: float | None
    p95_ms: float | None
    refused: int


class FunctionStats(TypedDict):
    """Totals over `hours`. The members mean the same as in FunctionHour."""

    calls: int
    cold_starts: int
    cpu_ms: float
    errors: int
    hours: list[FunctionHour]
    memory_peak_mb: float
    p50_ms: float | None
    p95_ms: float | None
    refused: int


class FunctionVersion(TypedDict):
    """`sha256`: the hex digest of the bundle; `size`: the size of the bundle in bytes; `active`: true if new calls
    run this version.
    """

    active: bool
    config: FunctionConfig
    created_at: str
    created_by: str
    name: str
    sha256: str
    size: int
    version: int


class HandedLink(TypedDict):
    """`url`: the link, which works once; only this answer shows it. `email`: the address that is confirmed when the
    link is opened.
    """

    email: str
    expires_at: str
    kind: LinkKind
    url: str


class History(TypedDict):
    """The messages that a channel keeps: at most `messages`, each for `seconds`."""

    messages: NotRequired[int]
    seconds: NotRequired[int]


class HookWarning(TypedDict):
    """The collection names a function in `before_write` that cannot answer, so the writes will be refused.

    `detail`: a sentence for the developer, with the remedy.
    """

    code: Literal["before_write_missing"]
    collection: str
    detail: str
    function: str


class Impersonated(TypedDict):
    """A session that acts as a user, without a refresh token. `expires_in`: its lifetime in seconds.

    `session`: the id of the session. `impersonated_by`: the id of the developer or key that uses the session.
    """

    access_token: str
    expires_in: int
    impersonated_by: str
    session: str
    token_type: str
    user: User


class Imported(TypedDict):
    """`errors`: the first 1,000 errors.

    `last_line`: the number of the last processed line; all lines before it have been processed too.

    `unresolved`: the failed lines that only lack a document to which they refer, at most 10,000. These lines
    succeed when they are sent again after the document is imported. `seq`: a state of the project that has all
    imported documents, as in the header `X-Bunbase-Seq` of other writes; empty if no document was imported.
    """

    errors: list[RefusedLine]
    failed: int
    imported: int
    last_line: int
    seq: str
    skipped: int
    unresolved: list[int]


class ImportedUsers(TypedDict):
    """`errors`: the first 1,000 refused lines.

    `last_line`: the number of the last processed line; all lines before it have been processed too.
    """

    errors: list[RefusedLine]
    failed: int
    imported: int
    last_line: int
    skipped: int
    updated: int


class IndexSpec(TypedDict):
    """The index that a caller wants. `where`: the index holds only documents that match this filter.

    All further settings are for indexes with the `type` text. `stemming`: the language of word stems; a search
    then finds all words with the same stem. `prefix`: true to make searches for prefixes of words fast.
    `weights`: the weight of a match in a field, by field; the default is 1.
    """

    fields: list[str]
    name: NotRequired[str]
    prefix: NotRequired[bool]
    stemming: NotRequired[Literal["english"] | None]
    type: NotRequired[Literal["keys", "text"]]
    unique: NotRequired[bool]
    weights: NotRequired[dict[str, float]]
    where: NotRequired[dict[str, Any] | None]


class IndexState(TypedDict):
    """An index as it exists.

    `ready`: true if the index is built, so that queries use it. Before that, only writes update it. `progress`:
    the built part, 0 to 1. `system`: true if BunBase made the index, for a field with `x-ref` in the schema. The
    other members are the members of IndexSpec.
    """

    fields: list[str]
    name: str
    prefix: NotRequired[bool]
    progress: NotRequired[float | None]
    ready: bool
    stemming: NotRequired[Literal["english"] | None]
    system: NotRequired[bool]
    type: NotRequired[Literal["keys", "text"]]
    unique: bool
    weights: NotRequired[dict[str, float]]
    where: NotRequired[dict[str, Any] | None]


class Job(TypedDict):
    """`attempt`: the number of runs so far.

    `error`: the code of the last error. `payload`: the payload; lists do not contain it.
    """

    attempt: int
    attempts: int
    created_at: str
    due_at: str
    error: NotRequired[str | None]
    function: str
    id: str
    key: NotRequired[str | None]
    kind: TriggerKind
    payload: NotRequired[Any]
    state: JobStatus


class LineIdentity(TypedDict):
    """A person of another service that may sign in as the user.

    `provider`: the name of the service in the project's settings. `subject`: the id that the service has for the
    person.
    """

    email: NotRequired[str | None]
    provider: str
    subject: str


class LogLine(TypedDict):
    """`seq`: a number that grows in the order in which lines became visible.

    `truncated`: true if the line, or the output of its invocation, was too long and was cut.
    """

    at: str
    function: str
    invocation: str
    level: LogLevel
    seq: int
    text: str
    truncated: bool
    version: int


class ManagedActivityEntry(TypedDict):
    """An event as administrators see it. `user`: the id of the user. `actor`: the id of the member or key."""

    action: str
    actor: NotRequired[str]
    agent: str
    amr: NotRequired[list[str]]
    at: str
    by: ActedBy
    count: NotRequired[int]
    id: str
    ip: str
    last_at: NotRequired[str | None]
    method: NotRequired[str]
    new_device: NotRequired[bool]
    outcome: UserActOutcome
    session: NotRequired[str]
    target: NotRequired[str]
    user: str


class ManagedUser(TypedDict):
    """A user as administrators see it.

    `banned_until`: the end of the ban; null for a ban without end, and for a user who is not banned.
    """

    anonymous: bool
    banned: bool
    banned_until: str | None
    claims: dict[str, Any]
    created_at: str
    data: dict[str, Any]
    email: str | None
    email_verified: bool
    has_password: bool
    id: str
    language: str
    last_sign_in_at: str | None
    name: str
    phone: str | None
    phone_verified: bool
    role: str


class Misfit(TypedDict):
    """A document that does not match. `errors`: the same list as in InvalidDocument."""

    errors: list[dict[str, str]]
    id: str


class NewUser(TypedDict):
    """A user without a password can sign in only with a custom token, a mail or a text message.

    The user has an address, a phone number, or both. `claims` has at most 1 KiB of JSON, `data` at most 16 KiB,
    and `name` at most 200 characters. `language`: the language of mails and text messages to the user, such as
    `de`.
    """

    claims: NotRequired[dict[str, Any]]
    data: NotRequired[dict[str, Any]]
    email: NotRequired[str | None]
    email_verified: NotRequired[bool]
    language: NotRequired[str]
    name: NotRequired[str]
    password: NotRequired[str | None]
    phone: NotRequired[str | None]
    phone_verified: NotRequired[bool]
    role: NotRequired[str]


class NotChanged(TypedDict):
    """A user to whom the act was not done. `code`: the code of the problem that a request for this user alone would
    get.
    """

    code: str
    id: str


class ObjectPage(TypedDict):
    """`prefixes`: the groups of this page. If more pages follow, a page may still have few items or none, because
    BunBase checks only a limited number of objects against the rule for each page.
    """

    items: list[StoredFile]
    next: str | None
    prefixes: list[str]


class OneCase(TypedDict):
    """A single case. `rules`: rules to use instead of the saved rules."""

    auth: NotRequired[Who | None]
    collection: str
    doc: NotRequired[dict[str, Any] | None]
    documents: NotRequired[dict[str, dict[str, dict[str, Any]]] | None]
    id: NotRequired[str]
    next: NotRequired[dict[str, Any] | None]
    now: NotRequired[str | None]
    op: Literal["create", "delete", "get", "list", "update"]
    rules: NotRequired[Rules | None]


class OneDecision(TypedDict):
    """The answer to a single case. `warnings`: list rules that will refuse lists when the collection has grown."""

    allowed: bool
    hidden: list[str]
    trace: list[Step]
    warnings: list[RuleWarning]


class OpenUserInvite(TypedDict):
    """An invitation that nobody has accepted yet. `role`: the role of the user that the invitation creates."""

    created_at: str
    email: str
    expires_at: str
    id: str
    role: str


class Pbkdf2Parts(TypedDict):
    """`digest`: sha1, sha256 or sha512. `salt`, `hash`: the values in base64."""

    digest: NotRequired[str]
    hash: str
    iterations: int
    salt: str
    scheme: Literal["pbkdf2"]


class PublishedMessage(TypedDict):
    """The place of a message in its channel. `offset`: 0 if nobody listens and the channel keeps no messages."""

    channel: str
    epoch: str
    offset: int


class RefusedLine(TypedDict):
    code: str
    detail: str
    line: int


class RuleCoverage(TypedDict):
    """The halves of the conditions of a rule that the cases have reached.

    Each condition has two halves: true and false.

    `total`, `covered`: the number of all halves, and of those that the cases have reached. `missing`: the halves
    that no case has reached.
    """

    collection: str
    covered: int
    missing: list[Uncovered]
    rule: str
    total: int


class RuleWarning(TypedDict):
    """A rule that works now, but not with many documents. `detail`: a sentence for the developer, with the remedy.

    `from_documents`: the approximate number of documents above which BunBase refuses lists. `index`: the index
    to add, in the form of `PUT /v1/collections/{name}`; null if no index helps.
    """

    code: Literal["rule_without_index"]
    collection: str
    detail: str
    from_documents: int
    index: dict[str, Any] | None
    rule: str


Rules = TypedDict(
    "Rules",
    {
        "create": "NotRequired[str | None]",
        "delete": "NotRequired[str | None]",
        "get": "NotRequired[str | None]",
        "hidden": "NotRequired[dict[str, str]]",
        "list": "NotRequired[str | None]",
        "update": "NotRequired[str | None]",
    },
)


class Run(TypedDict):
    """A run of a function. `code`: the error code. `job`: the job that caused the run; None if no job did.

    If the run never started, `version` is 0 and `invocation` is empty. `events`: the number of changes in a
    batch; left out for a single change. `job` is then the job of the first change.
    """

    attempt: int
    code: str | None
    duration_ms: float
    events: NotRequired[int]
    function: str
    id: str
    invocation: str
    job: str | None
    kind: TriggerKind
    outcome: RunOutcome
    started_at: str
    version: int


class Schedule(TypedDict):
    """When a function runs. `cron`: a cron expression with five fields.

    `time_zone`: a name from the IANA database. `overlap`: true if a run starts even if the previous run has not
    ended.
    """

    cron: str
    overlap: NotRequired[bool]
    time_zone: NotRequired[str]


class ScheduleState(TypedDict):
    """`next_at`: the time of the next run; null for a short time after a deployment."""

    cron: str
    function: str
    next_at: str | None
    overlap: bool
    time_zone: str


class ScryptParts(TypedDict):
    """`n`: the cost N itself, a power of two. `salt`, `hash`: the values in base64."""

    hash: str
    n: int
    p: NotRequired[int]
    r: NotRequired[int]
    salt: str
    scheme: Literal["scrypt"]


class Step(TypedDict):
    """The value of one part of a rule.

    `value`: the value, which is shortened if it is long. `error`: the reason why there is no value. `line` and
    `column` count from 1.
    """

    column: NotRequired[int]
    error: NotRequired[str]
    expr: str
    line: NotRequired[int]
    value: NotRequired[Any]


class StorageUsage(TypedDict):
    """The present size of a project. `waiting_bytes`: the bytes of deleted objects that are still on disk.
    `upload_bytes`, `upload_parts`: the bytes and the number of the parts of uploads that are not complete. They
    count to the limits too.
    """

    bytes: int
    max_bytes: int
    max_objects: int
    objects: int
    upload_bytes: int
    upload_parts: int
    waiting_bytes: int


class StoredFile(TypedDict):
    """An object without its bytes. `etag`: the MD5 of the bytes in hexadecimal digits; for an object that was
    uploaded in parts, the MD5 of the MD5s of the parts, and the number of parts after a hyphen. `owner`: the id
    of the user who created the object; null if a server or member did.
    """

    bucket: str
    cache_control: str
    content_type: str
    created_at: str
    etag: str
    key: str
    metadata: dict[str, str]
    owner: str | None
    size: int
    updated_at: str


class Uncovered(TypedDict):
    """A condition that never had the value `never`."""

    column: int
    expr: str
    line: int
    never: bool


class User(TypedDict):
    """An end user of one project. The user may change `data`; only servers and developers may change `role` and
    `claims`.

    `anonymous`: true if the user has not signed up yet, and has neither an address nor a password. `language`:
    the language of the user, such as `de-CH`; empty if it is not known.
    """

    anonymous: bool
    claims: dict[str, Any]
    created_at: str
    data: dict[str, Any]
    email: str | None
    email_verified: bool
    id: str
    language: str
    name: str
    phone: str | None
    phone_verified: bool
    role: str


class UserChanges(TypedDict):
    """Members that are left out stay as they are; `claims` and `data` are replaced as a whole.

    `banned`: true bans the user; the ban has no end if `banned_until` is not set. `banned_until`: a time bans
    the user until then; null makes a present ban permanent. `phone`: null removes the number. A changed number
    counts as not confirmed, except if `phone_verified` is true. `renew_tokens`: true ends the user's access
    tokens, but no session. The next refresh calls the hook `before_token` again.
    """

    banned: NotRequired[bool]
    banned_until: NotRequired[str | datetime | None]
    claims: NotRequired[dict[str, Any]]
    data: NotRequired[dict[str, Any]]
    email: NotRequired[str]
    email_verified: NotRequired[bool]
    language: NotRequired[str]
    name: NotRequired[str]
    password: NotRequired[str]
    phone: NotRequired[str | None]
    phone_verified: NotRequired[bool]
    renew_tokens: NotRequired[bool]
    role: NotRequired[str]


class UserInvite(TypedDict):
    """`url`: the link of the mail. The link works once; only this answer shows it."""

    email: str
    expires_at: str
    id: str
    role: str
    url: str


class UserLine(TypedDict):
    """One user in one line. Every field may be left out, but a line has an id, an address, a phone or an identity.

    `password_hash`: a text such as `$2a$10$…`, or an object with the parts. `banned_until`: null for a ban
    without end. An export has all fields, but `password_hash` only if the request asks for hashes.
    """

    anonymous: NotRequired[bool]
    banned: NotRequired[bool]
    banned_until: NotRequired[str | None]
    claims: NotRequired[dict[str, Any]]
    created_at: NotRequired[str]
    data: NotRequired[dict[str, Any]]
    email: NotRequired[str | None]
    email_verified: NotRequired[bool]
    id: NotRequired[str]
    identities: NotRequired[list[LineIdentity]]
    language: NotRequired[str]
    last_sign_in_at: NotRequired[str | None]
    name: NotRequired[str]
    password_changed_at: NotRequired[str | None]
    password_hash: NotRequired[str | ScryptParts | FirebaseParts | Pbkdf2Parts | None]
    phone: NotRequired[str | None]
    phone_verified: NotRequired[bool]
    role: NotRequired[str]


class UserSession(TypedDict):
    """A valid session. `ip`, `agent`: the IP address and the User-Agent header of the sign-in.

    `last_used_at`: the time of the last refresh. `aal`: the number of factors that the session has checked.
    `provider`: the way in which the user signed in, such as `password`, `passkey`, or the name of another
    service. `impersonated_by`: the id of the developer or key that uses the app as this user; None if the user
    uses it.
    """

    aal: int
    agent: str
    created_at: str
    expires_at: str
    id: str
    impersonated_by: str | None
    ip: str
    last_used_at: str
    provider: str


class Variable(TypedDict):
    """`value` is present only if an owner or admin asked to reveal it.

    `exposed`: true if functions can read the variable. Otherwise functions can only name it in a header of a
    `fetch`, and BunBase inserts the value.
    """

    exposed: NotRequired[bool]
    name: str
    updated_at: str
    value: NotRequired[str | None]


class Who(TypedDict):
    """`auth` as a rule sees it."""

    aal: NotRequired[int]
    act: NotRequired[str]
    anonymous: NotRequired[bool]
    claims: NotRequired[dict[str, Any]]
    email: NotRequired[str | None]
    provider: NotRequired[str]
    role: NotRequired[str]
    uid: str
    verified: NotRequired[bool]
