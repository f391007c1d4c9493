"""The findings of schemathesis that our docs describe: rules that JSON Schema cannot express, and intended answers."""

from __future__ import annotations

from typing import Final

from tests.outside.fuzz_report import Known

REFUSED: Final = "positive_data_acceptance"  # The server refused a request that matches its schema.
TAKEN: Final = "negative_data_rejection"  # The server accepted a request that does not match its schema.

INVENTED: Final = (
    r"invalid_cursor|link_expired|challenge_expired|external_login_expired|expired_token|access_denied|"
    r"authorization_pending|stale_revision|idempotency_mismatch|malformed_request If-Match|"
    r"invalid_bundle The source map|invalid_input (.* is not a scope|Name at most \d+ projects by their ids)"
)
GRAMMAR: Final = (
    r"invalid_(rule|query|channel|document|index|schema|expression|bucket|object_key)|"
    r"invalid_input (/\S+: |Send (an email address|a mobile number|the tag of a language|a time in|an RSA key)|"
    r"rules has no rules for|The (id of a document|name of a collection)|An (organisation|index)|"
    r"A (role|redirect URI|path|name|key's name|project's name|text index|time must|rule)|"
    r"Without a user who is signed in|The name of a channel|Enter the name|Names of|"
    r"This (header has|is not a type)|(since|until) must be a time|Send a time with a zone|Whole numbers)"
)
BETWEEN: Final = (
    r"invalid_input (Send (either|an address, a phone|`delay_seconds`)|Leave this out|\w+ (needs|takes no) |"
    r"A (migration|backfill) has|max_scan can be|\w+ is only for text indexes|This is (the address|your own)|"
    r"content_type and max_bytes are only|.* not both)"
)
SETTINGS: Final = (
    r"phone_not_configured|query_needs_index|weak_password|confirmation_needed|captcha|"
    r"invalid_input (Send an address that the project allows|First add an address)"
)

KNOWN: Final[tuple[Known, ...]] = (
    Known("a token, a link, a cursor or a revision that the server did not make is refused", REFUSED, INVENTED),
    Known("a whole number with a fraction of 0, such as 20.0, is refused", REFUSED, r"a whole number( or null)?, but"),
    Known("names, rules, queries and addresses have a grammar beyond their schema", REFUSED, GRAMMAR),
    Known("two fields of a request depend on each other", REFUSED, BETWEEN),
    Known("the settings or the data of the project do not allow the request", REFUSED, SETTINGS),
    Known(
        "the token endpoint answers with the errors of OAuth", REFUSED, r"/(token|introspect|revoke): 40[01] \{\"error"
    ),
    Known("/rpc answers with an error of JSON-RPC and the status 200", TAKEN, r"^POST /rpc: 200"),
    Known(
        "a request for a mail gets the same answer for any text",
        TAKEN,
        r"^POST /v1/auth/\S+: 202|^POST /api/auth/\S+: 202",
    ),
    Known("an import without lines imports nothing", TAKEN, r"import: 200"),
    Known("/rpc repeats an id that is no whole number", "response_schema_conformance", r"^POST /rpc: 200"),
    Known("a sign-in service may answer with POST", "allow_header_conformance", r"/callback: 204"),
    Known("a sign-in service may answer with POST", "unsupported_method", r"/callback: "),
    Known(
        "a document may have the id query or aggregate", "allow_header_conformance", r"/data/\{collection\}/\w+: 204"
    ),
    Known(
        "503 names a state that is not here yet, or work that must end first",
        "not_a_server_error",
        r": 503 (not_yet|backup_busy) ",
    ),
    Known(
        "the 404 is about another resource that the request names",
        "ensure_resource_availability",
        r": 404 (member|user|function)_not_found ",
    ),
    Known(
        "the limit of attempts answers before the credential is checked",
        "missing_required_header",
        r": 429 rate_limited",
    ),
)
