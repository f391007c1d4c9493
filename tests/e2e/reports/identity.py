"""Public reports about sign-in in similar products. Each number has the report, the fault, and our tests.

A test is named as `<file>::<function>`; all paths are below tests/. `test_identity.py` checks that each test exists.
"""

from __future__ import annotations

from typing import Final, NamedTuple

KEYS: Final = "pkg/oidc/test_provider_keys.py::test_"
OPENID: Final = "pkg/oidc/test_openid.py::test_"
GITHUB: Final = "pkg/oidc/test_github.py::test_"
PASSKEYS: Final = "pkg/test_passkeys.py::test_"
PUBLIC_KEYS: Final = "pkg/test_public_keys.py::test_"
EXTERNAL: Final = "tenant_auth/service/test_external.py::test_"
RACES: Final = "tenant_auth/service/test_external_races.py::test_"
CODES: Final = "tenant_auth/service/test_passwordless.py::test_"
REQUESTS: Final = "bunauth/service/openid/test_requests.py::test_"
TOKENS: Final = "bunauth/service/openid/test_tokens.py::test_"
DEVICES: Final = "bunauth/service/test_device_logins.py::test_"
PAGES: Final = "bunauth/routes/test_pages.py::test_"

UNREADABLE: Final = f"{KEYS}a_key_that_is_not_understood_keeps_nobody_out"
PLAIN: Final = f"{PASSKEYS}extensions_of_an_authenticator_are_plain_cbor"


class Report(NamedTuple):
    source: str
    claim: str
    tests: tuple[str, ...]


REPORTS: Final = {
    1: Report("coreos/go-oidc#499", "one key of an unknown kind keeps everybody out", (UNREADABLE,)),
    2: Report("nextcloud/user_oidc#823", "a key on an unknown curve keeps everybody out", (UNREADABLE,)),
    3: Report("greenpau/caddy-security#228", "a key that no token names keeps everybody out", (UNREADABLE,)),
    4: Report("OctopusDeploy/Issues#6398", "a key without the usual members keeps everybody out", (UNREADABLE,)),
    5: Report(
        "keycloak/keycloak#16064",
        "a token is checked with a key of another kind than its own",
        (
            f"{KEYS}keys_of_different_kinds_may_have_one_id",
            f"{KEYS}a_token_without_an_id_means_the_only_key_of_its_algorithm",
        ),
    ),
    6: Report(
        "AzureAD/azure-activedirectory-identitymodel-extensions-for-dotnet#3498",
        "tokens with RSA keys of 1,024 bits are accepted",
        (f"{KEYS}an_rsa_key_has_at_least_2048_bits",),
    ),
    7: Report(
        "bytebase/bytebase#21328",
        "all who sign in while a provider is silent wait one after another",
        (f"{OPENID}all_who_wait_for_a_silent_provider_wait_for_one_request",),
    ),
    8: Report(
        "marimo-team/marimohub#107",
        "a provider that failed once is not asked again",
        (f"{OPENID}all_who_wait_for_a_silent_provider_wait_for_one_request",),
    ),
    9: Report(
        "python/cpython#112169",
        "slow name servers take the threads of all other work",
        (
            "pkg/test_outgoing.py::test_a_slow_name_server_takes_no_thread_of_other_work_and_few_of_its_own",
            "pkg/test_resolver.py::test_a_project_whose_name_servers_never_answer_does_not_delay_another",
        ),
    ),
    10: Report(
        "TimothyJones/github-cognito-openid-wrapper#8",
        "a person with more than thirty addresses has no address",
        (f"{GITHUB}the_primary_address_of_somebody_with_many_addresses_is_found",),
    ),
    11: Report(
        "casdoor/casdoor#3474",
        "an address that may not be read ends the sign-in",
        (
            f"{GITHUB}an_app_that_may_not_read_addresses_still_gets_the_person",
            f"{OPENID}a_userinfo_that_cannot_be_read_keeps_nobody_out",
        ),
    ),
    12: Report(
        "maziggy/bambuddy#933",
        "an ID token without a nonce is accepted",
        (f"{OPENID}a_provider_that_lies_signs_nobody_in",),
    ),
    13: Report(
        "yultyyev/better-auth-firebase-auth#65",
        "an address counts as verified if the provider does not say so",
        (f"{OPENID}an_address_counts_as_verified_only_if_the_provider_says_so",),
    ),
    14: Report(
        "pathosDev/actor-ts#567",
        "a number in CBOR stops the process for a minute",
        (PLAIN, f"{PASSKEYS}an_attestation_object_with_a_tag_is_refused"),
    ),
    15: Report(
        "web-auth/cose-lib#181",
        "the check of a signature costs what the owner of the key likes",
        (f"{PASSKEYS}an_rsa_key_whose_checks_are_weak_or_expensive_is_refused",),
    ),
    16: Report(
        "openssl/openssl#31683",
        "the import of a large private key stops the process",
        (f"{PUBLIC_KEYS}a_private_key_is_refused_as_such_without_being_read",),
    ),
    17: Report(
        "latchset/jwcrypto#398",
        "a long list in a key costs quadratic time",
        (f"{PUBLIC_KEYS}only_the_public_numbers_of_a_key_are_read",),
    ),
    18: Report(
        "lbuchs/WebAuthn#124",
        "a passkey works in a frame of another site",
        (f"{PASSKEYS}a_passkey_that_a_frame_of_another_site_has_asked_for_is_refused",),
    ),
    19: Report(
        "MasterKale/SimpleWebAuthn#759",
        "the site above the frame is not looked at",
        (f"{PASSKEYS}a_passkey_that_a_frame_of_another_site_has_asked_for_is_refused",),
    ),
    20: Report(
        "lbuchs/WebAuthn#128",
        "a passkey that cannot be backed up is backed up",
        (f"{PASSKEYS}a_passkey_that_cannot_be_backed_up_is_not_backed_up",),
    ),
    21: Report(
        "MasterKale/SimpleWebAuthn#195",
        "whether a passkey is synced is what it was at the registration",
        (
            f"{PASSKEYS}a_sign_in_tells_whether_the_passkey_is_synced_by_now",
            "tenant_auth/service/test_passkeys.py::"
            "test_the_list_shows_whether_a_passkey_is_synced_by_now_and_other_sessions_stay",
        ),
    ),
    22: Report(
        "privacyidea/privacyidea#3292",
        "an attestation that nobody has asked for ends the registration",
        (f"{PASSKEYS}an_attestation_that_nobody_has_asked_for_does_not_matter",),
    ),
    23: Report(
        "diced/zipline#792",
        "a sign-in with a passkey ends the other sessions",
        (
            "tenant_auth/service/test_passkeys.py::"
            "test_the_list_shows_whether_a_passkey_is_synced_by_now_and_other_sessions_stay",
        ),
    ),
    24: Report(
        "calcom/cal.diy#28844",
        "a new person who signs in by a service in two tabs is refused",
        (
            f"{RACES}a_new_person_who_signs_in_twice_at_once_becomes_one_user",
            "bunauth/service/test_external_login.py::test_a_new_person_who_signs_in_twice_at_once_gets_one_account",
        ),
    ),
    25: Report(
        "better-auth/better-auth#9578",
        "whoever registers an address first keeps the account of its owner",
        (f"{EXTERNAL}the_owner_of_an_address_takes_over_a_user_that_somebody_else_has_prepared",),
    ),
    26: Report(
        "go-authgate/authgate#99",
        "an account is joined by an address that the service has not verified",
        (f"{EXTERNAL}without_a_verified_address_a_person_becomes_no_user_and_joins_none",),
    ),
    27: Report(
        "better-auth/better-auth#8897",
        "the state of a sign-in is not compared",
        (f"{EXTERNAL}an_answer_counts_once_only_in_the_browser_that_began_and_only_for_its_provider",),
    ),
    28: Report(
        "golang/vulndb#3671",
        "the result of a sign-in by a service works several times",
        (f"{EXTERNAL}a_code_signs_in_once_and_only_for_the_app_that_began",),
    ),
    29: Report(
        "authup/authup#3439",
        "a stranger's link joins the victim's identity to the stranger's account",
        (
            f"{EXTERNAL}a_code_signs_in_once_and_only_for_the_app_that_began",
            f"{EXTERNAL}a_user_links_lists_and_removes_identities_and_keeps_one_way_in",
        ),
    ),
    30: Report(
        "pocketbase/pocketbase#5929",
        "the password is gone after a service was linked",
        (f"{EXTERNAL}users_are_joined_by_their_address_if_both_sides_have_verified_it",),
    ),
    31: Report(
        "casdoor/casdoor#3528",
        "a sign-in by a service does not ask for the second factor",
        (
            "bunauth/service/test_external_login.py::"
            "test_a_sign_in_by_another_service_is_one_factor_and_a_link_needs_no_second",
        ),
    ),
    32: Report(
        "better-auth/better-auth#9572",
        "one code opens two sessions if it is sent twice at once",
        (f"{CODES}a_code_signs_in_once_also_for_two_requests_at_once",),
    ),
    33: Report(
        "better-auth/better-auth#11181",
        "two requests at once send two codes, and the first one is wrong",
        ("pkg/identity/test_mail_links.py::test_requests_of_all_pools_are_answered_with_one_mail_for_each_address",),
    ),
    34: Report(
        "better-auth/better-auth#10603",
        "the answer to a wrong code shows who has an account",
        (f"{CODES}a_wrong_code_does_not_show_whether_an_address_has_a_user",),
    ),
    35: Report(
        "supabase/auth#2675",
        "two sign-ups at once with one address end in an error of the server",
        ("tenant_auth/service/test_sign_in.py::test_simultaneous_sign_ups_with_one_email_make_one_user",),
    ),
    36: Report(
        "supabase/auth#368",
        "a program that opens the links of mails uses them up",
        (
            f"{PAGES}a_get_of_the_link_changes_nothing_and_a_post_opens_the_account",
            f"{PAGES}a_link_verifies_the_address_only_by_the_button_of_its_page",
        ),
    ),
    37: Report(
        "supabase/auth#2613",
        "a code of the OpenID Provider is exchanged twice at once",
        (f"{TOKENS}of_two_answers_and_of_two_exchanges_at_once_one_counts",),
    ),
    38: Report(
        "ory/hydra#3604",
        "two refreshes at once end in an error of the server",
        (f"{TOKENS}a_refresh_token_follows_the_rule_of_sessions",),
    ),
    39: Report(
        "ory/hydra#1065",
        "a page of a sign-in that was finished ends in an error of the server",
        (f"{REQUESTS}a_request_continues_only_in_its_own_browser_and_once",),
    ),
    40: Report(
        "keycloak/keycloak#25584",
        "an error for the client does not name the server",
        (f"{REQUESTS}a_mistaken_request_goes_to_no_unregistered_address",),
    ),
    41: Report(
        "openiddict/openiddict-samples#351",
        "a client that asks for a fresh sign-in gets the page again and again",
        (f"{TOKENS}a_client_may_ask_for_a_new_sign_in",),
    ),
    42: Report(
        "better-auth/better-auth#9936",
        "the greatest age of a sign-in is read and forgotten",
        (f"{TOKENS}a_client_may_ask_for_a_new_sign_in",),
    ),
    43: Report(
        "panva/node-oidc-provider#267",
        "a secret with a percent sign ends in an error of the server",
        ("pkg/openid_provider/test_client_credentials.py::test_the_credentials_of_a_header_are_form_decoded",),
    ),
    44: Report(
        "cloudflare/workers-oauth-provider#41",
        "a secret with a colon is cut",
        ("pkg/openid_provider/test_client_credentials.py::test_the_credentials_of_a_header_are_form_decoded",),
    ),
    45: Report(
        "H2CK/oidc#716",
        "a device that asks too often never gets its tokens",
        (f"{DEVICES}a_device_that_never_waits_still_gets_its_tokens_after_the_approval",),
    ),
    46: Report(
        "better-auth/better-auth#10135",
        "a device that was told to slow down is not held to it",
        (f"{DEVICES}a_device_that_asks_too_often_must_ask_more_seldom",),
    ),
    47: Report(
        "Abblix/Oidc.Server#281",
        "the first question of a device is too early",
        (f"{DEVICES}a_device_gets_its_tokens_once_after_a_person_has_approved",),
    ),
    48: Report(
        "webrenew/unicon#58",
        "codes of devices can be guessed without a limit",
        ("gateway/test_login_guard.py::test_guesses_of_device_codes_are_limited_by_address",),
    ),
    49: Report(
        "awinogrodzki/next-firebase-auth-edge#282",
        "the token after a change says what was true before",
        ("tenant_auth/whole/test_overtaking.py::test_a_role_changed_during_a_sign_in_or_a_refresh_is_in_the_token",),
    ),
    50: Report(
        "jazzband/django-two-factor-auth#768",
        "an authenticator app refuses the code of an app with a colon in its name",
        ("pkg/test_totp.py::test_only_one_colon_separates_the_names_of_issuer_and_account",),
    ),
    51: Report(
        "H2CK/oidc#684",
        "a wrong secret by HTTP Basic gets an answer without the error of the standard",
        (
            "bunauth/routes/test_openid.py::"
            "test_a_wrong_secret_by_http_basic_gets_the_error_of_the_standard_and_its_scheme",
        ),
    ),
    52: Report(
        "arun0009/idempotent#217",
        "a caller gets the answer to another caller who has chosen the same key",
        (
            "functions/service/test_kept_calls.py::test_a_visitor_needs_a_key_that_no_other_visitor_has_by_chance",
            "contracts/test_bundoc.py::test_a_visitor_needs_a_key_that_no_other_visitor_has_by_chance",
        ),
    ),
}
