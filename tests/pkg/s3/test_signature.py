from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunbase.pkg.s3.errors import S3Error
from bunbase.pkg.s3.signature import EMPTY_SHA256, Protection, parse
from bunbase.pkg.s3.uri import bucket_and_key, parameters, query_pairs
from tests.pkg.s3.signing import HOST, KEY, NOW, Request, check, signed_by_botocore

# the examples of "Authenticating Requests (AWS Signature Version 4)" in the API reference of Amazon S3
THEN = datetime(2013, 5, 24, tzinfo=UTC)
BUCKET_HOST = b"examplebucket.s3.amazonaws.com"
SCOPE = f"{KEY}/20130524/us-east-1/s3/aws4_request"


def published(method: str, path: bytes, query: bytes, headers: dict[str, str], sha256: str, signature: str) -> Request:
    sent = {
        "host": BUCKET_HOST.decode(),
        "x-amz-content-sha256": sha256,
        "x-amz-date": "20130524T000000Z",
        **headers,
    }
    value = f"AWS4-HMAC-SHA256 Credential={SCOPE},SignedHeaders={';'.join(sorted(sent))},Signature={signature}"
    pairs = [(name.encode(), text.encode()) for name, text in sent.items()]
    return Request(method, path, query, (*pairs, (b"authorization", value.encode())))


PUBLISHED = {
    "get": published(
        *("GET", b"/test.txt", b"", {"range": "bytes=0-9"}, EMPTY_SHA256),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "put": published(
        *("PUT", b"/test%24file.text", b""),
        {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
        hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "a parameter without a value": published(
        *("GET", b"/", b"lifecycle", {}, EMPTY_SHA256),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list": published(
        *("GET", b"/", b"max-keys=2&prefix=J", {}, EMPTY_SHA256),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    "presigned": Request(
        *("GET", b"/test.txt"),
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
        b"aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        b"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        ((b"host", BUCKET_HOST),),
    ),
}

KEYS = ["a", "a b+c", "é/ü.txt", "a//b", "/a", "a/", "../a/./b", "~-._", "!*'();:@&=+$,/?#[]", "100%", "a\x01b", "日本"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_examples_are_accepted(name: str) -> None:
    signed, _ = check(PUBLISHED[name], THEN)

    assert (signed.access_key, signed.region, signed.presigned) == (KEY, "us-east-1", name == "presigned")


@pytest.mark.parametrize("expires", [None, 60])
def test_a_key_that_botocore_signs_is_accepted_and_decoded_once(expires: int | None) -> None:
    for key in KEYS:
        request = signed_by_botocore("PUT", f"/bucket/{quote(key, safe='/~')}", expires=expires)

        check(request)

        assert bucket_and_key(request.path) == ("bucket", key.encode())


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
HEADER_NAMES = st.sampled_from(["x-amz-meta-a", "x-amz-acl", "content-type", "range", "x-amz-meta-b"])
HEADER_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)


@settings(max_examples=40)
@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    st.binary(min_size=1, max_size=20),
    st.dictionaries(NAMES, NAMES | st.just(""), max_size=4),
    st.dictionaries(HEADER_NAMES, HEADER_VALUES, max_size=3),
    st.none() | st.integers(1, 604_800),
)
def test_every_request_that_botocore_signs_is_accepted(
    method: str, key: bytes, query: dict[str, str], headers: dict[str, str], expires: int | None
) -> None:
    path = quote_from_bytes(key, safe="/~")
    parts = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query.items())

    request = signed_by_botocore(method, f"/bucket/{path}?{parts}", headers, b"" if expires else b"body", expires)
    check(request)

    decoded = parameters(query_pairs(request.query))
    assert bucket_and_key(request.path) == ("bucket", key)
    assert query.items() <= decoded.items()


def meaning(request: Request) -> object:
    """Return what a server does with a request, made without the code of signatures."""
    own = {name.lower(): b" ".join(value.split()) for name, value in request.headers}
    own.pop(b"authorization", None)
    names = sorted(name for name in query_pairs(request.query) if not name[0].startswith(b"X-Amz-"))
    return request.method, bucket_and_key(request.path), names, sorted(own.items())


CHANGED = [
    signed_by_botocore(
        "PUT", "/bucket/a%20b?tagging=&x=%2F1", {"x-amz-meta-a": "one  two", "content-type": "a/b"}, b"1"
    ),
    signed_by_botocore("GET", "/bucket/a/b?response-content-type=text%2Fplain", expires=3600),
    PUBLISHED["put"],
]


@pytest.mark.parametrize("request_", CHANGED, ids=["header", "presigned", "published"])
@pytest.mark.parametrize("mask", [1, 2, 0x20, 0x80])
def test_a_request_with_a_changed_byte_is_refused(request_: Request, mask: int) -> None:
    now = THEN if request_ is PUBLISHED["put"] else NOW
    check(request_, now)

    accepted = [mutant for mutant in mutants(request_, mask) if is_accepted(mutant, now)]

    assert [mutant for mutant in accepted if meaning(mutant) != meaning(request_)] == []
    assert len([mutant for mutant in accepted if mask != 0x20]) == 0  # 0x20 changes the case of names and of escapes


def mutants(request: Request, mask: int) -> list[Request]:
    """Return the request with each byte changed, one at a time: method, path, query, and the headers."""
    found = [replace(request, path=path) for path in flipped(request.path, mask)]
    found += [replace(request, query=query) for query in flipped(request.query, mask)]
    found += [replace(request, method=method.decode("latin-1")) for method in flipped(request.method.encode(), mask)]
    for i, (name, value) in enumerate(request.headers):
        if name == b"content-length":
            continue
        pairs = [(name, text) for text in flipped(value, mask)] + [(text, value) for text in flipped(name, mask)]
        found += [replace(request, headers=(*request.headers[:i], pair, *request.headers[i + 1 :])) for pair in pairs]
    return found


def flipped(data: bytes, mask: int) -> list[bytes]:
    return [data[:i] + bytes([byte ^ mask]) + data[i + 1 :] for i, byte in enumerate(data)]


def is_accepted(request: Request, now: datetime) -> bool:
    try:
        check(request, now)
    except S3Error:
        return False
    return True


@pytest.mark.parametrize("expires", [None, 60])
@pytest.mark.parametrize("name", [b"x-amz-acl", b"x-amz-meta-new", b"X-Amz-Copy-Source", b"x-amz-content-sha256"])
def test_an_unsigned_header_of_amazon_is_refused(name: bytes, expires: int | None) -> None:
    request = signed_by_botocore("PUT", "/bucket/a", expires=expires)
    if (name, expires) == (b"x-amz-content-sha256", None):
        return  # signed, and covered by the changed bytes

    with pytest.raises(S3Error) as raised:
        check(replace(request, headers=(*request.headers, (name, b"UNSIGNED-PAYLOAD"))))

    assert (raised.value.code, raised.value.extra) == ("AccessDenied", {"HeadersNotSigned": name.decode().lower()})


@pytest.mark.parametrize("expires", [None, 60])
def test_headers_that_proxies_add_are_accepted(expires: int | None) -> None:
    request = signed_by_botocore("PUT", "/bucket/a", expires=expires)

    check(replace(request, headers=(*request.headers, (b"x-forwarded-for", b"1.2.3.4"), (b"x-amzn-trace-id", b"1"))))


@pytest.mark.parametrize(
    ("expires", "minutes", "code"),
    [
        (None, -16, "RequestTimeTooSkewed"),
        (None, -15, ""),
        (None, 15, ""),
        (None, 16, "RequestTimeTooSkewed"),
        (7200, -16, "AccessDenied"),
        (7200, -15, ""),
        (7200, 16, ""),
        (7200, 120, ""),
        (7200, 121, "AccessDenied"),
        (604_800, 7 * 24 * 60, ""),
    ],
)
def test_the_clock_counts_15_minutes_for_headers_and_the_expiry_for_urls(
    expires: int | None, minutes: int, code: str
) -> None:
    request = signed_by_botocore("GET", "/bucket/a", expires=expires)

    assert refusal(request, NOW + timedelta(minutes=minutes)) == code


@pytest.mark.parametrize("expires", [604_801, -1])
def test_a_presigned_url_for_more_than_a_week_is_refused(expires: int) -> None:
    assert refusal(signed_by_botocore("GET", "/bucket/a", expires=expires)) == "AuthorizationQueryParametersError"


def refusal(request: Request, now: datetime = NOW) -> str:
    try:
        check(request, now)
    except S3Error as error:
        return error.code
    return ""


SIGNED = signed_by_botocore("GET", "/bucket/a")
AUTHORIZATION = dict(SIGNED.headers)[b"authorization"]
URL = signed_by_botocore("GET", "/bucket/a", expires=60)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "AccessDenied"),
        (b"AWS AKIA:c2lnbmF0dXJl", "InvalidRequest"),
        (b"Bearer x", "InvalidRequest"),
        (AUTHORIZATION.replace(b"HMAC", b"ECDSA-P256"), "NotImplemented"),
        (AUTHORIZATION.replace(b"Credential=", b"Credential=,Credential="), "AuthorizationHeaderMalformed"),
        (AUTHORIZATION.replace(b"/s3/", b"/sts/"), "AuthorizationHeaderMalformed"),
        (AUTHORIZATION.replace(b"/eu-central-1/", b"//"), "AuthorizationHeaderMalformed"),
        (AUTHORIZATION.replace(b"/20261130/", b"/20261129/"), "AuthorizationHeaderMalformed"),
        (AUTHORIZATION.replace(b"host;", b""), "AccessDenied"),
        (AUTHORIZATION.replace(b"host;", b"host;nosuch;"), "AccessDenied"),
        (AUTHORIZATION.replace(b"host;", b"zost;"), "AuthorizationHeaderMalformed"),
        (AUTHORIZATION.partition(b", Signature")[0], "AuthorizationHeaderMalformed"),
        (AUTHORIZATION[:-1], "AuthorizationHeaderMalformed"),
        (AUTHORIZATION[:-64] + AUTHORIZATION[-64:].upper(), "AuthorizationHeaderMalformed"),
    ],
)
def test_a_malformed_authorization_has_a_code(value: bytes, code: str) -> None:
    assert refusal(SIGNED.with_header(b"authorization", value)) == code


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (URL.query + b"&X-Amz-Date=20261130T220000Z", "AuthorizationQueryParametersError"),
        (URL.query.replace(b"X-Amz-Expires=60&", b""), "AuthorizationQueryParametersError"),
        (URL.query.replace(b"=60&", b"=6e1&"), "AuthorizationQueryParametersError"),
        (URL.query.replace(b"20261130T220000Z", b"20261130T226100Z"), "AuthorizationQueryParametersError"),
        (URL.query.replace(b"20261130T220000Z", b"Mon, 30 Nov 2026"), "AuthorizationQueryParametersError"),
        (URL.query + b"&X-Amz-Security-Token=abc", "InvalidToken"),
        (URL.query + b"&a=%zz", "InvalidURI"),
        (URL.query + b"&a" * 201, "InvalidURI"),
        (b"X-Amz-Algorithm=AWS4-HMAC-SHA256", "AuthorizationQueryParametersError"),
    ],
)
def test_a_malformed_presigned_url_has_a_code(query: bytes, code: str) -> None:
    assert refusal(replace(URL, query=query)) == code


def test_a_request_with_two_signatures_is_refused() -> None:
    assert refusal(URL.with_header(b"authorization", AUTHORIZATION)) == "InvalidArgument"
    assert refusal(replace(SIGNED, headers=(*SIGNED.headers, (b"authorization", AUTHORIZATION)))) == (
        "AuthorizationHeaderMalformed"
    )


def test_a_token_of_a_session_is_refused() -> None:
    assert refusal(SIGNED.with_header(b"x-amz-security-token", b"token")) == "InvalidToken"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "NotImplemented"),
        (b"sha256", "InvalidArgument"),
        (b"A" * 64, "InvalidArgument"),
        (b"", "InvalidArgument"),
        (b"UNSIGNED-PAYLOAD", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_hash_of_the_body_has_a_code(value: bytes, code: str) -> None:
    assert refusal(SIGNED.with_header(b"x-amz-content-sha256", value)) == code


def test_the_header_with_the_hash_of_the_body_is_needed() -> None:
    value = AUTHORIZATION.replace(b"x-amz-content-sha256;", b"")
    request = replace(SIGNED, headers=tuple(pair for pair in SIGNED.headers if pair[0] != b"x-amz-content-sha256"))

    assert refusal(request.with_header(b"authorization", value)) == "MissingSecurityHeader"


def test_a_request_may_have_its_time_in_the_header_date() -> None:
    request = signed_by_botocore("GET", "/bucket/a", {"Date": "Mon, 30 Nov 2026 22:00:00 GMT"})

    assert b"x-amz-date" not in dict(request.headers)
    check(request)


@pytest.mark.parametrize("text", [b"", b"soon", b"20261130T220000z", b"20261330T220000Z"])
def test_a_time_that_is_none_is_refused(text: bytes) -> None:
    assert refusal(SIGNED.with_header(b"x-amz-date", text)) == "AccessDenied"


def test_a_signature_that_does_not_match_shows_the_text_that_it_must_sign() -> None:
    with pytest.raises(S3Error) as raised:
        check(replace(SIGNED, path=b"/s3/bucket/a"))

    assert raised.value.extra["CanonicalRequest"].startswith("GET\n/s3/bucket/a\n\nhost:" + HOST)
    assert raised.value.extra["StringToSign"].startswith("AWS4-HMAC-SHA256\n20261130T220000Z\n20261130/eu-central-1")


@pytest.mark.parametrize("protection", [one for one in Protection if one is not Protection.HASHED])
def test_the_protection_of_the_body_is_that_of_the_signed_header(protection: Protection) -> None:
    request = signed_by_botocore("PUT", "/bucket/a", sha256=protection.value)

    _, payload = check(request)

    assert (payload.protection, payload.sha256) == (protection, "")
    assert (payload.chunk_key is not None) == (protection.signed_chunks)


def test_the_hash_of_the_body_is_returned() -> None:
    _, payload = check(signed_by_botocore("PUT", "/bucket/a", body=b"abc"))

    assert (payload.protection, payload.sha256) == (Protection.HASHED, hashlib.sha256(b"abc").hexdigest())


WORDS = st.sampled_from(
    [b"AWS4-HMAC-SHA256 ", b"Credential=", AUTHORIZATION, b",", b"Signature=", b"X-Amz-Date=", b"&"]
)


@settings(max_examples=60)
@given(
    st.binary(max_size=12),
    st.lists(WORDS | st.binary(max_size=6), max_size=6).map(b"".join),
    st.lists(st.tuples(st.sampled_from([b"authorization", b"host", b"x-amz-date"]), WORDS | st.binary(max_size=9))),
)
def test_no_input_fails_in_another_way(path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """A request without a valid signature raises S3Error and no other exception, whatever its bytes are."""
    with pytest.raises(S3Error):
        parse("GET", path, query, [*headers, (b"authorization", b"AWS4-HMAC-SHA256 " + query)])
