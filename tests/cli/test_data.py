from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from bunbase.cli import data
from bunbase.contracts.bundoc.backups import Imported
from bunbase.pkg.ndjson import RefusedLine


def test_lines_that_refer_to_later_blocks_are_sent_again_until_none_is_left(tmp_path: Path) -> None:
    """Line 1 refers to line 2, which refers to line 3. The server has imported line 3 only."""
    file, known, sent = tmp_path / "all.ndjson", {"3"}, list[bytes]()
    file.write_bytes(b'{"id":"1","to":"2"}\n{"id":"2","to":"3"}\n{"id":"3"}\n')
    error = RefusedLine(1, "invalid_document", "There is no document 2 in lists.")

    def send(block: bytes) -> Imported:
        sent.append(block)
        documents = [msgspec.json.decode(line) for line in block.splitlines()]
        resolved = [one["id"] for one in documents if one["to"] in known]
        known.update(resolved)
        left = tuple(number for number, one in enumerate(documents, 1) if one["id"] not in resolved)
        errors = tuple(msgspec.structs.replace(error, line=number) for number in left)
        return Imported(len(resolved), 0, len(left), len(documents), errors, left)

    done = data._resolved(Imported(1, 0, 2, 3, (error,), (1, 2)), file, send)

    assert done == Imported(imported=3, last_line=3)
    assert [block.count(b"\n") for block in sent] == [2, 1]


def test_lines_whose_references_lead_nowhere_end_the_import_with_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "all.ndjson"
    file.write_bytes(b"{}\n{}\n{}\n")
    error = RefusedLine(1, "invalid_document", "There is no document 2 in lists.")

    done = data._resolved(Imported(2, 0, 1, 3, (), (2,)), file, lambda _block: Imported(0, 0, 1, 1, (error,), (1,)))

    assert (done.failed, done.last_line, done.unresolved, done.errors[0].line) == (1, 3, (2,), 2)


@pytest.mark.parametrize(("count", "rest"), [(2, []), (3, []), (30, [("27 more", "The same, with other names.")])])
def test_of_errors_that_differ_only_in_ids_three_are_shown_each_with_its_line(
    count: int, rest: list[tuple[str, str]]
) -> None:
    alike = [RefusedLine(n, "invalid_document", f"/list: There is no document l{n}-x in lists.") for n in range(count)]
    others = [RefusedLine(n, "invalid_document", "/n: Expected a number.") for n in (97, 98, 99, 100)]

    shown = [(lines, detail) for lines, _, detail in data._grouped([*alike, *others])]

    assert shown == [
        *((str(n), f"/list: There is no document l{n}-x in lists.") for n in range(min(count, 3))),
        *rest,
        ("97, 98, 99 and 1 more", "/n: Expected a number."),
    ]
