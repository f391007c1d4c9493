"""Check a history against the clock: if a call was answered before another call began, it must come first.

The change log numbers the versions of each document. A read saw one of these versions, or no document. The version
must be at least as new as all versions that were acknowledged, or seen by another read, before this read began. The
write of the version must have begun before the read ended. All versions in one query must have existed at one moment.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import islice
from typing import Any, Final

from bunbase.contracts.bundoc.documents import ChangeEntry

Seen = tuple[int, str] | None

FAR: Final = 500  # This is more versions than writers can have in progress at once.


class Versions:
    """The versions of one document. Version 0 is no document; `seqs[v]` is the change that made version v.

    `absent`: the versions without a document. `of_rev`: the other versions, by their revision.
    """

    def __init__(self) -> None:
        self.seqs = [0]
        self.absent = [0]
        self.of_rev: defaultdict[int, list[int]] = defaultdict(list)

    def add(self, entry: ChangeEntry) -> None:
        if entry.op == "delete":
            self.absent.append(len(self.seqs))
        else:
            self.of_rev[entry.rev].append(len(self.seqs))
        self.seqs.append(entry.seq)

    def at(self, seq: int) -> int:
        """Return the number of the version after this change."""
        return bisect_right(self.seqs, seq) - 1

    def until(self, version: int) -> float:
        return self.seqs[version + 1] if version + 1 < len(self.seqs) else float("inf")


class Clock:
    """The state of the check after the lines so far, which are processed in the order of printing."""

    def __init__(self, log: list[ChangeEntry], owners: dict[int, str]) -> None:
        self.owners = owners
        self.versions: defaultdict[str, Versions] = defaultdict(Versions)
        for entry in log:
            self.versions[entry.id].add(entry)
        self.first: dict[str, int] = {}  # The first change of each acknowledged commit.
        for seq in sorted(owners, reverse=True):
            self.first[owners[seq]] = seq
        self.asked: dict[str, int] = {}  # The line at which each call began.
        self.last_acknowledged = 0
        # The oldest version of each id that later answers may hold.
        self.known: defaultdict[str, int] = defaultdict(int)
        # For each call, `last_acknowledged` and `known` at its start.
        self.begun: dict[str, tuple[int, dict[str, int]]] = {}
        self.reads = 0

    def begin(self, call: str, when: int) -> None:
        self.asked[call] = when
        self.begun[call] = (self.last_acknowledged, dict(self.known))

    def acknowledge(self, call: str, ids: list[str]) -> None:
        floor, known = self.begun.pop(call)
        first = self.first.get(call)
        if first is None:
            return
        assert first > floor, f"{call} came before what was acknowledged when it began"
        self.last_acknowledged = max(self.last_acknowledged, first + len(ids) - 1)
        for seq, id in enumerate(ids, first):
            version = self.versions[id].at(seq)
            assert version > known.get(id, 0), f"{call} came before what was seen of {id} when it began"
            self.known[id] = max(self.known[id], version)

    def saw(self, call: str, found: dict[str, Seen], when: int) -> None:
        _, known = self.begun.pop(call)
        begins, ends = 0, float("inf")
        for id, seen in found.items():
            possible = self._possible(id, seen, known.get(id, 0), when)
            assert possible, f"{call} saw {seen} of {id}, which was not there any more, or not yet"
            self.known[id] = max(self.known[id], possible[0])
            if len(possible) == 1:
                begins = max(begins, self.versions[id].seqs[possible[0]])
                ends = min(ends, self.versions[id].until(possible[0]))
        assert begins < ends, f"{call} saw what was never there at one moment"
        self.reads += 1

    def _possible(self, id: str, seen: Seen, least: int, when: int) -> list[int]:
        """Return the first two versions from `least` on that fit this answer, if their writes had already begun.

        If the commit had no answer, its change numbers are unknown, so all versions with its revision are possible.
        """
        versions = self.versions[id]
        if seen is None:
            every = versions.absent
        else:
            call, _, at = seen[1].rpartition(".")
            assert self.asked[call] < when, f"{seen[1]} was seen before it was asked for"
            if call in self.first:
                every = [versions.at(self.first[call] + int(at))]
            else:
                every = [one for one in versions.of_rev[seen[0]] if versions.seqs[one] not in self.owners]
        near = islice(every, bisect_left(every, least), bisect_left(every, least) + FAR)
        early = (one for one in near if self.asked.get(self.owners.get(versions.seqs[one], ""), -1) < when)
        return list(islice(early, 2))


def in_real_time(lines: list[dict[str, Any]], log: list[ChangeEntry], owners: dict[int, str]) -> int:
    """Assert that the history fits the order of the lines. Return how many reads were checked."""
    clock, ids = Clock(log, owners), {}
    for when, line in enumerate(lines):
        if "call" in line:
            ids[line["call"]] = [id for id, _, _ in line["writes"]]
            clock.begin(line["call"], when)
        elif "read" in line:
            clock.begin(line["read"], when)
        elif "ok" in line:
            clock.acknowledge(line["ok"], ids.pop(line["ok"]))
        elif "saw" in line:
            found = {id: (seen[0], seen[1]) if seen else None for id, seen in line["found"].items()}
            clock.saw(line["saw"], found, when)
    return clock.reads
