"""Settings of Bundoc."""

from __future__ import annotations

from typing import Annotated

import msgspec

Mebibytes = Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]


class BundocSettings(msgspec.Struct, frozen=True):
    """`change_days`, `changes`: how long, and how many, changes are kept in a project's log.
    `waiting_for_changes`: calls that may wait for news at once.

    `max_open_projects`: each that is open takes 0.3 MB and 3 to 7 descriptors, besides its share of the page cache.
    `cache_mib`: page cache of all open projects together; `project_cache_mib`: the most that one of them gets.

    `queued_writes`, `queued_mib`: what may wait for one project's disk before the next write is refused.
    `batch_writes`: how many writes share one fsync at most. `read_seconds`: after this a statement is stopped.
    `max_scan`: documents that one query may examine; beyond, it is told which index it needs.

    `scans`: queries and long lists that run at once over all projects, `project_scans`: and of them for one project;
    `queued_scans`: how many may wait. `slow_query_seconds`: one that takes longer is named in the log.

    `backup_directory`: where backups are kept, "" for `backups` in the data directory. `backup_every_hours`: how often
    a project is backed up that has no schedule of its own, 0 for never; `backups_kept`: how many of these are kept.
    `backup_seconds`: after this a backup, a check or a restore is stopped.

    `replaces_directory`: the id of a directory that is gone for good; the one that Bundoc starts on takes its place.
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
    scans: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8
    project_scans: Annotated[int, msgspec.Meta(ge=1, le=64)] = 3
    queued_scans: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 1000
    slow_query_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.5
    max_collections: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    change_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 7.0
    changes: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)] = 1_000_000
    waiting_for_changes: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    key_seconds: Annotated[int, msgspec.Meta(ge=1, le=900)] = 900  # BunKMS allows no more than 15 minutes
    renew_key_after_seconds: Annotated[int, msgspec.Meta(ge=1, le=900)] = 600
    backup_directory: str = ""
    backup_every_hours: Annotated[int, msgspec.Meta(ge=0, le=8760)] = 24  # whoever set nothing up needs them most
    backups_kept: Annotated[int, msgspec.Meta(ge=1, le=100)] = 7
    backup_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 7200
    replaces_directory: Annotated[str, msgspec.Meta(max_length=64)] = ""
