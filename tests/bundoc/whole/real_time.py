"""Check a history against the clock: what was answered before something else began comes before it.

The change log numbers the versions of each document. A read saw one of them, or that there was none. It must not be
older than what was acknowledged, or seen by another, before this read began; nor may it have been asked for only after
the read was over. What one query saw of several documents must have been there at one moment.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import islice
from typing import Any, Final

from bunbase.contracts.bundoc import ChangeEntry

Seen = tuple[int, str] | None

FAR: Final = 500  # more versions than can be under way at once


class Versions:
    """Those of one document: version 0 is none; `seqs[v]` is the change that made version v.

    `absent`: the versions at which there was no document; `of_rev`: the others by their revision.
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
        """Give the version that was there after this change."""
        return bisect_right(self.seqs, seq) - 1

    def until(self, version: int) -> float:
        return self.seqs[version + 1] if version + 1 < len(self.seqs) else float("inf")


class Clock:
    """Goes through what was said, in its order."""

    def __init__(self, log: list[ChangeEntry], owners: dict[int, str]) -> None:
        self.owners = owners
        self.versions: defaultdict[str, Versions] = defaultdict(Versions)
        for entry in log:
            self.versions[entry.id].add(entry)
        self.first: dict[str, int] = {}  # of each acknowledged commit, its first change
        for seq in sorted(owners, reverse=True):
            self.first[owners[seq]] = seq
        self.asked: dict[str, int] = {}  # when
        self.last_acknowledged = 0
        self.known: defaultdict[str, int] = defaultdict(int)  # by id: no later answer may be older than this version
        self.begun: dict[str, tuple[int, dict[str, int]]] = {}  # what was known when it began
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
        """Give the first two versions from `least` on that look so and were asked for by then.

        Of a commit whose answer the kill cut off, the numbers are not known: its revision says which it may be.
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
    """Claim that the history fits the clock; give how many reads were checked."""
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
