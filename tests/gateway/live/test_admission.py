"""Projects share the places for live connections, so that no project finds all places taken by a few others."""

from __future__ import annotations

import pytest

from bunbase.gateway.live.admission import Admission
from bunbase.gateway.live.problems import TooManyLiveConnections
from bunbase.gateway.live.settings import LiveSettings


def entered(admission: Admission, project: str) -> int:
    """Let connections of the project enter until one is refused, and return their number."""
    number = 0
    while True:
        try:
            admission.enter(project, "")
        except TooManyLiveConnections:
            return number
        number += 1


def test_a_few_projects_leave_places_for_others() -> None:
    admission = Admission(LiveSettings())

    taken = [entered(admission, f"prj_{number}") for number in range(8)]

    assert taken == [2000, 2000, 2000, 2000, 1000, 500, 250, 125]
    assert entered(admission, "prj_other") > 0


def test_a_refused_connection_is_not_counted_and_a_place_that_is_left_may_be_taken_again() -> None:
    admission = Admission(LiveSettings(max_connections=8, max_connections_per_project=7))
    entered(admission, "prj_a")
    for _ in range(20):
        with pytest.raises(TooManyLiveConnections):
            admission.enter("prj_a", "")

    admission.leave("prj_a", "")
    admission.change(("prj_a", ""), ("prj_b", "usr_b"))
    admission.leave("prj_b", "usr_b")

    assert (entered(admission, "prj_a"), entered(admission, "prj_b")) == (2, 2)
    assert admission.projects.counts == {"prj_a": 4, "prj_b": 2}


def test_a_connection_keeps_its_place_when_another_user_signs_in() -> None:
    admission = Admission(LiveSettings(max_connections=8, max_connections_per_project=7, max_connections_per_user=1))
    entered(admission, "prj_a")
    for project in ("prj_b", "prj_c", "prj_d"):
        entered(admission, project)
    admission.leave("prj_a", "")
    admission.change(("prj_a", ""), ("prj_a", "usr_ada"))
    before = admission.projects.counts.copy()

    admission.change(("prj_a", ""), ("prj_a", "usr_bob"))
    for after in (("prj_a", "usr_ada"), ("prj_b", "")):
        with pytest.raises(TooManyLiveConnections):
            admission.change(("prj_a", "usr_bob"), after)

    assert admission.projects.counts == before
    assert admission.users.counts == {("prj_a", "usr_ada"): 1, ("prj_a", "usr_bob"): 1}


def test_an_operator_may_give_all_places_to_one_project() -> None:
    admission = Admission(LiveSettings(max_connections=8, max_connections_per_project=8))

    assert entered(admission, "prj_a") == 8
