"""Public reports about live queries and channels of similar products.

Each number has the report, the fault, and our tests.

A test is named as `<file>::<function>`, and a claim of a program for bunbase-js as `<file>::<begin of the claim>`. All
paths are below tests/. `test_live.py` checks that each test exists.
"""

from __future__ import annotations

from typing import Final, NamedTuple

MESSAGES: Final = "gateway/live/test_messages_of_clients.py::test_"
SESSION: Final = "gateway/live/test_sessions.py::test_"
SIGNING: Final = "gateway/live/test_signing.py::test_"
DEADLINES: Final = "gateway/live/test_deadlines.py::test_"
OVER_HTTP: Final = "gateway/live/test_over_http.py::test_"
TICKETS: Final = "gateway/live/test_tickets.py::test_"
LIMITS: Final = "buncast/test_limits.py::test_"
RING: Final = "buncast/test_ring.py::test_"
BUNDOC: Final = "bundoc/live/test_live.py::test_"
SHARES: Final = "bundoc/live/test_shares.py::test_"
SOCKET: Final = "pkg/websocket/test_connection.py::test_"
HTTP: Final = "e2e/topologies/test_live_http.py::test_"
LIVE: Final = "e2e/topologies/test_live.py::test_"
CHANNELS: Final = "e2e/topologies/test_channels.py::test_"
TABS: Final = "sdk_js/test_tabs.py::test_"
PYTHON: Final = "sdk_python/test_held_channel.py::test_"
CLAIM: Final = "sdk_js/programs/live.mjs::"
WRITES: Final = "sdk_js/programs/live_writes.mjs::"

ROOM: Final = f"{LIMITS}a_caller_without_room_can_still_change_its_members_and_continue_them"


class Report(NamedTuple):
    source: str
    claim: str
    tests: tuple[str, ...]


REPORTS: Final = {
    1: Report(
        "miguelgrinberg/python-socketio#1420",
        "a whole number with many digits ends the connection",
        (f"{MESSAGES}complaint_31_half_a_character_fails_one_message_and_the_rest_goes_on",),
    ),
    2: Report("WordPress/presence-api#88", "at the limit of members, the present ones cannot be changed", (ROOM,)),
    3: Report(
        "virtualcommons/port-of-mars#529",
        "a client that comes back is refused, because its own old place fills the room",
        (ROOM,),
    ),
    4: Report(
        "researchstudio-sat/webofneeds#381",
        "a visitor cannot sign in on an open connection",
        (
            f"{SESSION}a_visitor_can_sign_in_although_the_project_has_no_room_for_another_connection",
            f"{SESSION}a_sign_in_that_is_refused_for_a_limit_keeps_the_place_of_the_one_before",
        ),
    ),
    5: Report(
        "koala73/worldmonitor#4792",
        "a completed request cannot be repeated, because the repetition is counted against a limit",
        (f"{LIMITS}a_message_is_repeated_with_its_key_although_the_caller_has_no_room_for_more_keys",),
    ),
    6: Report(
        "segmentio/analytics-java#175",
        "a queue has a limit of messages, but none of bytes",
        (f"{MESSAGES}the_messages_that_wait_for_a_sign_in_have_a_bound_in_bytes",),
    ),
    7: Report(
        "denis-sokolov/oncilla#42",
        "messages before the sign-in fill the memory",
        (
            f"{MESSAGES}the_messages_that_wait_for_a_sign_in_have_a_bound_in_bytes",
            f"{SIGNING}a_first_message_may_have_17_kib",
        ),
    ),
    8: Report(
        "facebookincubator/SocketRocket#504",
        "a timer keeps a connection in memory that has ended",
        (f"{DEADLINES}a_connection_that_has_ended_is_not_kept_until_its_token_expires",),
    ),
    9: Report(
        "OpenLiberty/open-liberty#26771",
        "what belongs to expired sign-ins stays in memory",
        (f"{DEADLINES}deadlines_that_count_no_more_take_no_memory_until_they_are_due",),
    ),
    10: Report(
        "Azure/azure-sdk-for-js#39976",
        "a wait that does not fit into a timer becomes a loop of connections",
        (f"{CLAIM}a wait that is longer than a timer can be does not end at once",),
    ),
    11: Report(
        "luckydye/vektor#133",
        "large requests of one caller fill the memory",
        (
            f"{SESSION}the_queries_of_a_connection_have_a_bound_in_bytes",
            f"{SHARES}the_memory_of_filters_is_shared_although_their_results_are_empty",
        ),
    ),
    12: Report(
        "florimondmanca/httpx-sse#34",
        "a separator of lines in a text breaks a stream of events",
        (f"{HTTP}a_stream_has_no_line_that_a_text_has_made",),
    ),
    13: Report(
        "kemalcr/kemal#798", "HEAD of a stream of events never ends", (f"{HTTP}head_of_a_stream_opens_no_connection",)
    ),
    14: Report(
        "phoenixframework/phoenix#1483",
        "a channel that is left and joined at once stays half joined",
        (f"{CHANNELS}a_channel_that_is_left_and_joined_in_one_breath_has_the_client_once",),
    ),
    15: Report(
        "rails/rails#38668",
        "a subscription that follows its own end is not confirmed",
        (f"{CHANNELS}a_channel_that_is_left_and_joined_in_one_breath_has_the_client_once",),
    ),
    16: Report(
        "supabase/supabase-py#1630",
        "a member that is unknown ends the processing of all others",
        (f"{PYTHON}members_are_told_if_they_have_changed_and_as_a_number_above_500",),
    ),
    17: Report(
        "supabase/realtime#2201",
        "the history is replayed in another order",
        (f"{CHANNELS}messages_of_all_senders_arrive_in_one_order",),
    ),
    18: Report(
        "dosco/graphjin#287",
        "two users with similar queries get the result of one of them",
        (f"{BUNDOC}callers_with_the_same_view_share_a_group_and_others_do_not",),
    ),
    19: Report(
        "mortise-org/mortise#318",
        "a ticket opens a stream although its user has been revoked",
        (f"{HTTP}a_ticket_of_a_user_who_has_signed_out_opens_nothing",),
    ),
    20: Report(
        "socketio/engine.io#352", "a second poll ends the whole connection", (f"{HTTP}a_second_poll_ends_the_first",)
    ),
    21: Report(
        "socketio/engine.io#363", "after a second poll, the first one hangs", (f"{HTTP}a_second_poll_ends_the_first",)
    ),
    22: Report(
        "Atmosphere/atmosphere#1820",
        "the messages of a poll whose answer is lost are lost",
        (f"{CLAIM}24: behind a proxy that holds streams back, the client polls, and stays with it after a cut",),
    ),
    23: Report(
        "centrifugal/centrifugo#1162",
        "a small compressed frame becomes a large message",
        (f"{SOCKET}a_case_of_the_autobahn_suite",),
    ),
    24: Report(
        "tsl0922/ttyd#1544", "fragments of one message grow without a limit", (f"{SOCKET}a_case_of_the_autobahn_suite",)
    ),
    25: Report(
        "freeunitorg/freeunit#378", "text that is not UTF-8 is passed on", (f"{SOCKET}a_case_of_the_autobahn_suite",)
    ),
    26: Report(
        "ballerina-platform/ballerina-lang#12695",
        "a character in two fragments is damaged",
        (f"{SOCKET}messages_arrive_whole_however_they_are_cut",),
    ),
    27: Report(
        "centrifugal/centrifuge-go#160",
        "a position of another stream is accepted, and messages are lost in silence",
        (f"{RING}a_ring_replays_exactly_what_it_keeps_and_tells_what_is_lost",),
    ),
    28: Report(
        "electric-sql/electric#3899",
        "a position that the server does not know ends the subscription for ever",
        (f"{BUNDOC}a_cursor_of_another_history_gets_the_whole_result",),
    ),
    29: Report(
        "appwrite/appwrite#13768",
        "a member who was removed is not told so",
        (f"{CHANNELS}complaint_7_a_deleted_membership_ends_the_channel_within_a_second",),
    ),
    30: Report(
        "ably/ably-go#164",
        "the end of an old connection shows a user as gone who is back",
        (f"{CHANNELS}complaints_27_and_28_members_update_resume_and_leave",),
    ),
    31: Report(
        "liveblocks/liveblocks#77",
        "the presence is not sent again after a lost connection",
        (f"{PYTHON}a_presence_is_sent_on_the_open_connection_and_else_with_the_next_join",),
    ),
    32: Report(
        "socketio/socket.io#5538",
        "a client that has received no message yet cannot continue",
        (f"{CHANNELS}complaints_27_and_28_members_update_resume_and_leave",),
    ),
    33: Report(
        "enisdenjo/graphql-ws#501",
        "a message that comes during the sign-in is refused",
        (f"{MESSAGES}messages_that_were_done_make_room_for_others_that_wait",),
    ),
    34: Report(
        "strawberry-graphql/strawberry#1731",
        "the end of something that has ended already closes the connection",
        (f"{MESSAGES}the_end_of_something_that_has_ended_already_is_confirmed",),
    ),
    35: Report(
        "ExpediaGroup/graphql-kotlin#520",
        "a second subscription with the same id replaces the first one",
        (f"{LIVE}complaint_31_an_error_answers_one_message_and_the_rest_goes_on",),
    ),
    36: Report(
        "heypinchy/pinchy#957",
        "the tabs of one user reach the limit of connections",
        (f"{TABS}eight_tabs_hold_one_socket_and_another_tab_takes_over_without_a_lost_change",),
    ),
    37: Report(
        "super-productivity/super-productivity#9885",
        "a client that does not answer the close frame keeps its socket",
        (f"{SOCKET}a_client_that_does_not_answer_a_close_frame_is_cut_off",),
    ),
    38: Report(
        "boardsesh/boardsesh#4035",
        "addresses of one IPv6 network count as many callers",
        (f"{TICKETS}neighbours_in_one_network_of_ipv6_count_as_one_address",),
    ),
    39: Report(
        "thingsboard/thingsboard#15219",
        "a client that was refused for a limit comes back at once, again and again",
        (f"{SESSION}a_user_can_open_only_so_many_connections",),
    ),
    40: Report(
        "bigskysoftware/htmx-extensions#192",
        "all clients come back after the same time",
        (f"{SESSION}a_server_that_restarts_tells_each_client_another_time",),
    ),
    41: Report(
        "get-convex/convex-js#184",
        "a token that is sent again unchanged ends the sign-in",
        (f"{SIGNING}a_renewed_token_of_the_same_caller_asks_bundoc_nothing",),
    ),
    42: Report(
        "get-convex/convex-js#29",
        "a message that is on its way during a renewal gets an error",
        (
            f"{MESSAGES}messages_go_on_after_a_refused_sign_in",
            f"{MESSAGES}messages_that_were_done_make_room_for_others_that_wait",
        ),
    ),
    43: Report(
        "pubkey/rxdb#5571",
        "changes that come before the answer to a write are dropped",
        (f"{WRITES}a write settles when the results have reached it, and not before",),
    ),
    44: Report(
        "apache/pouchdb#1240",
        "the position moves on before the changes are applied",
        (f"{CLAIM}differences without a barrier are not shown",),
    ),
    45: Report(
        "pocketbase/pocketbase#598",
        "a stream of one user takes messages of another one",
        (f"{HTTP}a_connection_belongs_to_the_key_and_user_that_opened_it",),
    ),
    46: Report(
        "centrifugal/centrifugo#117",
        "a result that is larger than the buffer of a client ends its connection again and again",
        (
            f"{SOCKET}everything_after_a_large_message_stays_behind_it",
            f"{OVER_HTTP}a_client_that_does_not_read_has_a_bounded_buffer_and_then_gets_the_present_state",
        ),
    ),
}
