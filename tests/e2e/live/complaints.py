"""Complaints about other live servers. Each number has the complaint and our tests for it.

A test is named as `<file>::<function>`, and a claim of a program for bunbase-js as `<file>::<begin of the claim>`. All
paths are below tests/. `test_complaints.py` checks that each test exists.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BUNDOC: Final = "bundoc/live/test_complaints.py::test_complaint_"
E2E: Final = "e2e/topologies/test_live.py::test_complaint_"
WHOLE: Final = "e2e/topologies/test_live_complaints.py::test_complaint_"
SESSION: Final = "gateway/live/test_sessions.py::test_complaint_"
SIGNING: Final = "gateway/live/test_signing.py::test_complaint_"
MESSAGES: Final = "gateway/live/test_messages_of_clients.py::test_complaint_"
CHANNELS: Final = "e2e/topologies/test_channels.py::test_complaint"
CLAIM: Final = "sdk_js/programs/live.mjs::"
NETWORK: Final = "e2e/live/test_network.py::test_complaint_"
LOAD: Final = "e2e/live/test_load.py::test_complaint_"
CHECKER: Final = "bundoc/live/test_checker.py::test_each_barrier_shows_what_the_oracle_shows"
OVER_THE_WIRE: Final = "e2e/topologies/test_live_histories.py::test_each_barrier_shows_what_the_oracle_shows"


class Complaint(NamedTuple):
    of: str
    tests: tuple[str, ...]


COMPLAINTS: Final = {
    1: Complaint(
        "changes in the gap of a reconnect are lost",
        (f"{WHOLE}1_nothing_is_lost_when_the_connection_is_cut_at_any_byte", f"{CLAIM}1: ", OVER_THE_WIRE),
    ),
    2: Complaint(
        "a document that leaves the filter or the rule stays",
        (
            f"{E2E}2_a_document_that_leaves_the_rule_is_removed",
            "e2e/topologies/test_live.py::test_a_client_holds_the_result_of_its_query_after_each_write",
        ),
    ),
    3: Complaint(
        "a deletion goes to everybody",
        (f"{E2E}3_a_stranger_hears_nothing_of_documents_that_the_rules_hide",),
    ),
    4: Complaint(
        "the update that hides a document tells its new content",
        ("bundoc/live/test_live.py::test_the_update_that_hides_a_document_tells_nothing_of_its_new_content",),
    ),
    5: Complaint(
        "hidden fields leak to others with the same query",
        (f"{BUNDOC}5_fifty_callers_of_mixed_roles_get_what_each_of_them_may_read",),
    ),
    6: Complaint(
        "a hidden field is guessed by a filter",
        (
            "bundoc/live/test_live.py::test_a_watch_that_cannot_be_served_is_refused_by_name",
            "bundoc/live/test_live.py::test_a_rule_that_begins_to_hide_a_field_of_the_filter_ends_the_watch",
        ),
    ),
    7: Complaint(
        "changes go on after a ban or a sign-out",
        (
            f"{WHOLE}7_nothing_is_told_after_a_revocation_on_any_transport",
            f"{E2E}7_a_session_that_ends_silences_its_connection",
            f"{E2E}7_a_ban_silences_the_connection",
            f"{SIGNING}7_a_revoked_session_is_silent_and_ends",
            f"{CHANNELS}_7_a_deleted_membership_ends_the_channel_within_a_second",
            f"{CHANNELS}_7_a_banned_user_hears_nothing_more_and_publishes_nothing_more",
            "e2e/topologies/test_live_members.py::test_a_deleted_project_silences_its_members",
        ),
    ),
    8: Complaint(
        "the connection dies with its token, or comes back with the old one",
        (
            f"{E2E}8_a_renewed_token_keeps_the_watches",
            f"{SIGNING}8_an_expired_token_stops_the_delivery_until_it_is_renewed",
            f"{SIGNING}8_a_client_is_asked_for_a_token_before_the_expiry",
            f"{CLAIM}8: a token is renewed",
            f"{CLAIM}8: a refused token",
        ),
    ),
    9: Complaint(
        "after another sign-in, changes of the user before come",
        (f"{E2E}9_another_user_ends_all_watches", f"{CLAIM}9: "),
    ),
    10: Complaint(
        "a revocation between the check and the result comes too late",
        (f"{SIGNING}10_a_session_that_was_revoked_during_the_query_gets_no_result",),
    ),
    11: Complaint(
        "a listener is dead, and nobody notices",
        (
            "gateway/live/test_sessions.py::test_a_ping_has_the_state_of_the_results",
            f"{CLAIM}12: a silent connection",
            "bundoc/live/test_tail.py::test_changes_that_wait_are_counted_until_they_are_taken_or_forgotten",
        ),
    ),
    12: Complaint(
        "a connection is open for one side only",
        (f"{NETWORK}12_both_sides_notice_a_cable_that_is_cut", f"{SESSION}12_a_silent_client_is_closed"),
    ),
    13: Complaint("a lost connection is not told", (f"{CLAIM}13: ",)),
    14: Complaint(
        "changes come twice",
        (f"{E2E}14_the_same_query_twice_costs_one_diff", f"{CLAIM}14: a repeated", f"{CLAIM}14: the same query"),
    ),
    15: Complaint(
        "half of a commit is seen, or in another order",
        (f"{WHOLE}15_a_commit_of_five_hundred_writes_is_one_frame", CHECKER),
    ),
    16: Complaint(
        "several queries do not move together",
        (
            f"{WHOLE}16_one_commit_over_three_collections_moves_five_queries_at_one_barrier",
            f"{E2E}16_one_commit_appears_in_all_queries_at_one_barrier",
            f"{CLAIM}16: ",
        ),
    ),
    17: Complaint(
        "a gap between the result and its first change",
        (f"{BUNDOC}17_no_write_falls_between_a_result_and_its_first_change",),
    ),
    18: Complaint(
        "the window of a sorted query grows, or is not filled again",
        (f"{BUNDOC}18_a_window_is_the_begin_of_the_sorted_result_or_asks_for_rows", CHECKER),
    ),
    19: Complaint(
        "operators of filters are missing or mean something else",
        (f"{BUNDOC}19_every_operator_of_a_filter_means_live_what_it_means_in_a_query",),
    ),
    20: Complaint(
        "a document that is visible because of another one comes late or never",
        (f"{BUNDOC}20_a_document_and_the_membership_that_shows_it_move_in_one_commit", CHECKER),
    ),
    21: Complaint("heartbeats by timers end busy and hidden pages", (f"{CLAIM}21: ",)),
    22: Complaint(
        "a page is dead after a sleep",
        ("sdk_js/test_live.py::test_a_page_that_was_frozen_or_in_the_cache_of_the_browser_probes_its_connection",),
    ),
    23: Complaint("the seventh tab hangs", ("sdk_js/test_live.py::test_complaint_23_eight_tabs_are_live_at_once",)),
    24: Complaint(
        "proxies hold streams back",
        (
            f"{NETWORK}24_behind_a_proxy_that_holds_streams_back_the_client_polls",
            f"{CLAIM}24: without sockets",
            f"{CLAIM}24: behind a proxy",
            f"{CLAIM}24: a server",
        ),
    ),
    25: Complaint(
        "slow readers fill the memory",
        (
            f"{LOAD}25_two_hundred_clients_that_do_not_read_cost_the_others_nothing",
            f"{SESSION}25_a_slow_reader_gets_no_queue_and_the_state_at_last",
            f"{SESSION}25_a_client_that_does_not_read_is_closed",
            f"{SESSION}25_the_largest_buffers_go_first",
        ),
    ),
    26: Complaint(
        "all clients come back in the same second",
        (
            f"{LOAD}26_thousands_of_clients_that_come_back_at_once_cost_one_query_for_each_group",
            f"{SESSION}26_connections_that_begin_too_fast_come_back_later",
            "bundoc/live/test_joining.py::test_all_who_join_a_query_cost_one_query_together",
        ),
    ),
    27: Complaint(
        "an update of presence is a leave and a join",
        (
            f"{CHANNELS}s_27_and_28_members_update_resume_and_leave",
            "buncast/test_presence.py::test_an_update_is_neither_a_leave_nor_an_enter",
            f"{CLAIM}27: ",
        ),
    ),
    28: Complaint(
        "ghosts stay after a crash",
        (
            "e2e/killed/test_channels.py::test_complaints_28_and_29_the_home_and_an_edge_are_killed",
            f"{CHANNELS}s_27_and_28_members_update_resume_and_leave",
            "gateway/live/test_channels.py::"
            "test_complaint_28_members_of_an_edge_that_is_gone_leave_and_those_of_a_broken_stream_stay",
        ),
    ),
    29: Complaint(
        "nobody knows whether the history had all missed messages",
        (
            "buncast/test_ring.py::test_a_ring_replays_exactly_what_it_keeps_and_tells_what_is_lost",
            "e2e/killed/test_channels.py::test_complaints_28_and_29_the_home_and_an_edge_are_killed",
            "gateway/live/test_channels.py::"
            "test_complaint_29_after_a_restart_of_the_home_clients_are_told_that_messages_are_lost",
        ),
    ),
    30: Complaint("subscriptions that change while offline disagree with the server", (f"{CLAIM}30: ",)),
    31: Complaint(
        "one refused subscription ends the connection",
        (
            f"{E2E}31_an_error_answers_one_message_and_the_rest_goes_on",
            f"{MESSAGES}31_half_a_character_fails_one_message_and_the_rest_goes_on",
            "e2e/topologies/test_live_http.py::test_complaint_31_half_a_character_fails_one_message_and_the_rest_goes_on",
            f"{CLAIM}31: ",
        ),
    ),
    32: Complaint(
        "NOTIFY takes a lock of the whole database",
        (f"{WHOLE}32_postgresql_is_not_notified_of_changes_and_messages",),
    ),
    33: Complaint(
        "a thousand documents break the resume",
        (
            f"{WHOLE}33_a_resume_of_a_thousand_documents_costs_what_has_changed",
            f"{E2E}33_a_resume_sends_only_what_has_changed",
        ),
    ),
    34: Complaint(
        "the first result is lost for a slow client",
        (f"{SESSION}34_a_result_for_a_slow_reader_is_not_lost",),
    ),
}
