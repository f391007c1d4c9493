"""Settings of Bundoc."""

from __future__ import annotations

from typing import Annotated

import msgspec

Mebibytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


class BundocSettings(msgspec.Struct, frozen=True):
    """Settings of Bundoc. All limits are for one process.

    `max_collections`: the number of collections that a project may have.
    `change_days`: the log of a project keeps changes for this many days.
    `changes`: the log of a project keeps at most this many changes.
    `before_image_mib`: the log of a project keeps at most this many MiB of documents as they were before a change, of
    collections with `before_images`.
    `waiting_for_changes`: the number of calls that may wait for changes at the same time.

    `max_open_projects`: the number of projects that may have an open file. Each open project takes 0.3 MB and 3 to 7
    file descriptors, in addition to its part of the page cache.
    `close_idle_seconds`: a file that is not used for this time is closed.
    `cache_mib`: the size of the page cache, which all open projects share.
    `project_cache_mib`: the part of the page cache that one project may use.

    `queued_writes`: the number of writes that may wait in one project; a further write is refused.
    `queued_mib`: the size of the writes that may wait in one project, in MiB.
    `batch_writes`: the maximum number of writes that share one fsync.
    `read_seconds`: the time limit of a statement that reads; a statement that takes longer is stopped.
    `threads`: the number of threads that write to files, and also the number of threads that open files, for all
    projects together.
    `max_scan`: the number of documents that one query of a caller bound by rules may examine. A query that needs more
    fails and names an index that helps.
    `max_scan_mib`: the size of the documents that such a query may examine, in MiB.
    `server_scan`: the number of documents that one query of a secret key, a function or a member may examine.
    `server_scan_mib`: the size of the documents that such a query may examine, in MiB.
    `max_entries`: the number of index entries that a count or an aggregate may examine if it needs no documents.

    `scans`: the number of queries and long lists that may run at the same time in all projects together.
    `project_scans`: the number of queries and long lists that one project may run at the same time.
    `queued_scans`: the number of queries and long lists that may wait.
    `slow_query_seconds`: a query that takes longer than this is logged.

    `live_user_seconds`: the processor time that the live queries of one user may take after a change, while all other
    live queries of the project wait. Queries that need more time become late: BunBase sends their results separately,
    and less often.

    `key_seconds`: the time for which a process works with a data key before BunKMS must confirm again that the key
    exists.
    `renew_key_after_seconds`: after this time, the key of an open file is confirmed in the background.

    `backup_directory`: the directory of the backups; if empty, `backups` in the data directory.
    `backup_every_hours`: hours between two backups of a project without its own schedule; 0 for never.
    `backups_kept`: the number of scheduled backups that are kept.
    `backup_users`: true if scheduled backups include the users of the project.
    `backup_files`: true if scheduled backups include the files of the project.
    `backup_seconds`: a backup, verification or restore that takes longer than this is stopped.

    `replaces_directory`: the id of a directory that is lost permanently; the present data directory replaces it.
    """

    max_open_projects: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    close_idle_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    cache_mib: Mebibytes = 256
    project_cache_mib: Mebibytes = 64
    queued_writes: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 4096
    queued_mib: Mebibytes = 32
    batch_writes: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4
    read_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    max_scan: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 10_000
    max_scan_mib: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 64
    server_scan: Annotated[int, msgspec.Meta(ge=100, le=100_000_000)] = 5_000_000
    server_scan_mib: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1024
    max_entries: Annotated[int, msgspec.Meta(ge=100, le=100_000_000)] = 5_000_000
    scans: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    project_scans: Annotated[int, msgspec.Meta(ge=1, le=64)] = 3
    queued_scans: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1000
    slow_query_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.5
    max_collections: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    change_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 7.0
    changes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    before_image_mib: Mebibytes = 1024
    waiting_for_changes: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    live_user_seconds: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.25
    key_seconds: Annotated[int, msgspec.Meta(ge=1, le=900)] = 900  # BunKMS allows at most 15 minutes.
    renew_key_after_seconds: Annotated[int, msgspec.Meta(ge=1, le=900)] = 600
    backup_directory: str = ""
    backup_every_hours: Annotated[int, msgspec.Meta(ge=0, le=8760)] = (
        24  # The default is daily, because operators who configure nothing need backups most.
    )
    backups_kept: Annotated[int, msgspec.Meta(ge=1, le=100)] = 7
    backup_users: bool = False
    backup_files: bool = True
    backup_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 7200
    replaces_directory: Annotated[str, msgspec.Meta(max_length=64)] = ""
