"""Public reports about clients and commands of similar products. Each number has the report, the fault, and our tests.

A test is named as `<file>::<function>`, and a claim of a program for bunbase-js as `<file>::<begin of the claim>`. All
paths are below tests/. `test_clients.py` checks that each test exists.
"""

from __future__ import annotations

from typing import Final

from tests.e2e.reports.identity import Report

FILES: Final = "cli/test_credentials_file.py::test_"
TABS: Final = "sdk_js/test_sessions.py::test_"
SESSIONS: Final = "sdk_js/programs/sessions.mjs::"
FAULTS: Final = "sdk_js/programs/faults.mjs::"
HOSTILE: Final = "sdk_js/programs/hostile.mjs::"

ENVIRONMENT: Final = "cli/test_environment.py::test_"
PROXY: Final = "the_proxy_is_that_of_the_environment_unless_the_server_is_an_exception"
PROXIES: Final = f"{ENVIRONMENT}{PROXY}"
USELESS: Final = f"{ENVIRONMENT}a_proxy_that_cannot_be_used_is_named_without_its_password"
ADDRESSES: Final = f"{ENVIRONMENT}an_address_without_a_possible_host_is_a_usage_error"
PYTHON_PROXIES: Final = f"sdk_python/test_proxies.py::test_{PROXY}"
PYTHON_USELESS: Final = "sdk_python/test_proxies.py::test_a_proxy_that_cannot_be_used_is_a_problem_without_its_password"
PYTHON_ADDRESSES: Final = "sdk_python/test_credentials.py::test_an_address_of_no_use_is_refused_at_once"
LINKED: Final = "cli/test_watch.py::test_files_in_linked_folders_are_watched_and_a_link_to_a_folder_above_is_no_circle"
LINE_ENDS: Final = "cli/test_project_folder.py::test_a_changed_bunbase_toml_keeps_its_line_ends_its_mark_and_its_link"
DIGITS: Final = "sdk_js/test_json.py::test_every_value_comes_back_with_all_its_digits"
CLOCKS: Final = f"{SESSIONS}a clock that is wrong by an hour or a day, or jumps, costs one renewal"
CALLBACK: Final = f"{SESSIONS}a callback may await the client, also one that was registered during a start"


REPORTS: Final = {
    1: Report(
        "encode/httpx#3221",
        "an IPv6 network in NO_PROXY stops every program",
        (
            PROXIES,
            PYTHON_PROXIES,
        ),
    ),
    2: Report(
        "basicmachines-co/basic-memory#1541",
        "brackets around an IPv6 address in NO_PROXY stop every program",
        (
            PROXIES,
            PYTHON_PROXIES,
        ),
    ),
    3: Report(
        "encode/httpx#3574",
        "an IPv6 address in NO_PROXY is read as a port",
        (
            PROXIES,
            PYTHON_PROXIES,
        ),
    ),
    4: Report(
        "liuzhao1225/YouDub-webui#75",
        "a SOCKS proxy that the server does not need stops the program",
        (
            PROXIES,
            PYTHON_USELESS,
        ),
    ),
    5: Report(
        "chatchat-space/Langchain-Chatchat#605",
        "a SOCKS proxy ends in an error of an import",
        (
            USELESS,
            PYTHON_USELESS,
        ),
    ),
    6: Report(
        "atlassian-api/atlassian-python-api#1337",
        "the line end of a token breaks every request",
        (f"{ENVIRONMENT}the_line_end_of_a_secret_is_no_part_of_it",),
    ),
    7: Report(
        "hetznercloud/cli#102",
        "the error about a character in a token shows the token",
        (f"{ENVIRONMENT}a_token_that_no_header_can_have_is_refused_and_not_shown",),
    ),
    8: Report(
        "NousResearch/hermes-agent#49263",
        "a user without a home folder gets an exception",
        (f"{ENVIRONMENT}a_user_without_a_home_folder_needs_none_to_use_a_token",),
    ),
    9: Report(
        "NousResearch/hermes-agent#33508",
        "a file behind a link to another file system cannot be written",
        (f"{FILES}a_link_to_another_file_system_stays_and_its_file_is_replaced",),
    ),
    10: Report(
        "asheshgoplani/agent-deck#1313",
        "a write replaces the link to a file by a file",
        (f"{FILES}the_credentials_file_may_be_a_link",),
    ),
    11: Report(
        "vllm-project/semantic-router#4027",
        "a file that is mounted by itself cannot be written",
        (f"{FILES}a_file_that_is_mounted_by_itself_is_written_in_place",),
    ),
    12: Report(
        "rust-lang/cargo#2615",
        "a command waits for the lock of another one for ever",
        (f"{FILES}a_command_that_never_releases_the_file_is_waited_for_with_a_deadline",),
    ),
    13: Report(
        "rhel-lightspeed/command-line-assistant#421",
        "a terminal of no columns ends in an exception",
        (f"{ENVIRONMENT}a_terminal_of_no_columns_shows_the_help",),
    ),
    14: Report(
        "hannob/snallygaster#50",
        "a host name that is too long ends in an exception",
        (
            ADDRESSES,
            PYTHON_ADDRESSES,
        ),
    ),
    15: Report(
        "openbikesensor/portal#301",
        "a host name with an empty part ends in an exception",
        (
            ADDRESSES,
            PYTHON_ADDRESSES,
        ),
    ),
    16: Report("lydell/js-tokens#42", "a long text overflows the stack of a pattern", (DIGITS,)),
    17: Report(
        "nodejs/node#55351",
        "each call leaves something at a signal that lives long",
        (
            f"{FAULTS}a call leaves no signal behind that depends on that of its caller",
            f"{SESSIONS}10,000 calls on one signal",
        ),
    ),
    18: Report("fastpack/fastpack#54", "changes in folders behind links are not seen", (LINKED,)),
    19: Report("wking-io/elm-live#74", "a link to a folder above lets the watcher run in circles", (LINKED,)),
    20: Report(
        "supabase/auth-js#213",
        "tabs that renew at once sign each other out",
        (
            f"{TABS}tabs_that_need_a_new_token_at_once_renew_it_once",
            f"{TABS}tabs_without_locks_all_stay_signed_in_with_one_token",
        ),
    ),
    21: Report(
        "supabase/supabase-js#2235",
        "a lock that nobody releases hangs all calls",
        (f"{TABS}a_lock_that_a_frozen_tab_holds_for_ever_signs_nobody_out",),
    ),
    22: Report(
        "supabase/supabase-js#2696",
        "the loser of two renewals sends its request as nobody",
        (f"{SESSIONS}the loser of two renewals uses the token of the winner",),
    ),
    23: Report(
        "supabase/supabase-js#2331",
        "a page that may not read its storage cannot make a client",
        (f"{TABS}a_page_that_may_not_store_and_a_worker_have_sessions_in_memory",),
    ),
    24: Report(
        "micky2be/superlogin-client#35",
        "a storage without room ends the sign-in",
        (f"{SESSIONS}a storage that throws, or never answers",),
    ),
    25: Report("supabase/auth-js#926", "a clock that is fast renews the token for each call", (CLOCKS,)),
    26: Report(
        "workos/authkit-nextjs#470",
        "a clock that is slow sends expired tokens for ever",
        (
            CLOCKS,
            f"{SESSIONS}a 401 about the token renews it once",
        ),
    ),
    27: Report(
        "ginlix-ai/LangAlpha#387",
        "a renewal that is refused with 429 signs out",
        (f"{SESSIONS}no network, 500, 429, a login page and a refused key keep the session",),
    ),
    28: Report("supabase/auth-js#762", "a callback that awaits the client hangs", (CALLBACK,)),
    29: Report("supabase/supabase-js#2344", "a callback that is registered during the start hangs", (CALLBACK,)),
    30: Report(
        "browserbase/sdk-node#205",
        "an abort waits for the end of the pause before a retry",
        (f"{FAULTS}an abort ends the pause before a retry",),
    ),
    31: Report(
        "pocketbase/js-sdk#22",
        "calls at the same time cancel each other",
        (f"{SESSIONS}calls at the same time do not cancel each other",),
    ),
    32: Report(
        "pocketbase/pocketbase#4140",
        "the second effect of strict mode cancels the first one with an error",
        (f"{TABS}the_hooks_of_react_follow_the_user_and_the_query_in_strict_mode",),
    ),
    33: Report(
        "supabase/supabase#18981",
        "parts of a page that are rendered at once sign the user out",
        ("sdk_js/programs/servers.mjs::ten parts of a page that are rendered at once see the user of the cookie",),
    ),
    34: Report(
        "supabase/supabase-js#786",
        "a client on a server needs the storage of a browser",
        ("sdk_js/test_runtimes.py::test_an_app_does_its_work_and_its_process_ends_by_itself",),
    ),
    35: Report(
        "supabase/functions-js#45",
        "the answer of a function that failed is lost",
        (f"{HOSTILE}the error of a function has its status, its answer and its text",),
    ),
    36: Report(
        "supabase/supabase-py#1576",
        "a function that failed without JSON ends in another error",
        ("sdk_python/test_function_answers.py::test_no_code_of_a_function_passes_for_one_of_bunbase",),
    ),
    37: Report(
        "slackapi/python-slack-sdk#1291",
        "an error of the client cannot be sent to another process",
        ("sdk_python/test_credentials.py::test_a_problem_can_be_sent_to_another_process",),
    ),
    38: Report(
        "supabase/supabase-py#1064",
        "a read fails because a kept connection was closed",
        ("sdk_python/test_faults.py::test_a_read_is_repeated",),
    ),
    39: Report(
        "supabase/supabase-py#1075",
        "a closed client leaves connections open",
        ("sdk_python/test_drivers.py::test_a_client_that_is_closed_leaves_no_warning",),
    ),
    40: Report(
        "Ivan-Korolenko/json-with-bigint#11",
        "long digits within a text break the text",
        (
            DIGITS,
            "sdk_js/programs/journey.mjs::numbers that are no 64-bit integers stay numbers",
        ),
    ),
    41: Report("Ivan-Korolenko/json-with-bigint#13", "long numbers in lists lose their last digits", (DIGITS,)),
    42: Report(
        "cloudflare/workers-sdk#915", "line ends of Windows in the file of a project are an error", (LINE_ENDS,)
    ),
    43: Report(
        "vercel/vercel#393",
        "a byte order mark in the file of a project is an error",
        ("cli/test_project_folder.py::test_a_byte_order_mark_is_no_error",),
    ),
    44: Report(
        "jdx/mise#12320",
        "a byte order mark in a file of variables is an error",
        ("cli/test_env_files.py::test_a_file_may_begin_with_a_byte_order_mark",),
    ),
    45: Report(
        "firebase/firebase-tools#6541",
        "a deletion asks a question where nobody can answer",
        ("cli/test_unattended.py::test_a_missing_answer_is_a_usage_error_that_names_the_flag",),
    ),
    46: Report(
        "heygen-com/hyperframes#1184",
        "a closed pipe ends the command with a crash",
        ("cli/test_command.py::test_a_closed_pipe_ends_the_command_without_a_message",),
    ),
    47: Report(
        "graphcool/cli#254",
        "a deployment that failed has the exit code 0",
        ("cli/test_deploying.py::test_a_refused_function_fails_the_command_but_the_others_are_deployed",),
    ),
    48: Report(
        "npm/cli#524",
        "a command with a token writes to the home folder",
        ("cli/test_account.py::test_a_token_from_the_environment_needs_no_credentials_file",),
    ),
}
