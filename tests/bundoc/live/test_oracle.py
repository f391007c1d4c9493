"""The oracle of the checkers knows the order of changes by their numbers."""

from __future__ import annotations

import itertools

from tests.bundoc.live.oracle import History


def test_the_state_does_not_depend_on_the_order_in_which_writes_are_answered() -> None:
    for order in itertools.permutations((2, 3, 4)):
        for asked in itertools.product((False, True), repeat=3):
            history = History()
            history.add(1, "notes", "d1", {"n": 1})
            assert history.state(1) == {"notes": {"d1": {"n": 1}}}

            for seq, early in zip(order, asked, strict=True):
                history.add(seq, "notes", "d1", {"n": seq})
                if early:
                    history.state(history.last)

            assert [history.state(seq)["notes"]["d1"]["n"] for seq in (1, 2, 3, 4)] == [1, 2, 3, 4]
            assert history.state(4)["notes"] == {"d1": {"n": 4}}
