"""Times are read exactly as RFC 3339 defines them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.pkg.clock import rfc3339
from bunbase.pkg.moments import is_moment, milliseconds, read_moment

DATE, TIME = r"[0-9]{4}-[01][0-9]-[0-3][0-9]", r"[Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
ZONE = r"([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
FORMAT = jsonschema_rs.validator_for({"format": "date-time"}, validate_formats=True)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31T12:00:00.0Z", NOON),
        ("2026-01-31T12:00:00.123456789123Z", NOON + timedelta(microseconds=123456)),
        ("2026-01-31T13:30:00+01:30", NOON),
        ("2026-01-31T00:01:00-11:59", NOON),
        ("2026-01-31T12:00:00-00:00", NOON),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T00:59:60.5+01:00", datetime(2017, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_that_rfc_3339_allows_is_read(text: str, moment: datetime) -> None:
    assert read_moment(text) == moment
    assert FORMAT.is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
        "2026-01-31 12:00:00Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+01",
        "2026-01-31T12:00:00 Z",
        "2026-01-31T12:00:00Z\n",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T23:59:61Z",
        "2026-01-31T23:59:60+01:00",
        "2026-02-29T12:00:00Z",
        "2026-00-31T12:00:00Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01:60",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "+2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00\u22121:00",
        "202\u0666-01-31T12:00:00Z",
        "2026-01-31T12:00:0\uff10Z",
        "2026-01-31T12:00:00\u017a",
    ],
)
def test_a_time_that_rfc_3339_forbids_is_refused(text: str) -> None:
    assert not is_moment(text)
    assert not FORMAT.is_valid(text)


def test_a_time_outside_the_range_of_datetime_is_refused() -> None:
    for text in (
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-00:01",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:60Z",
    ):
        assert not is_moment(text)


@given(st.from_regex(DATE + TIME + r"(\.[0-9]{0,3})?" + ZONE + r"\Z"))
def test_our_reader_and_json_schema_accept_the_same_times(text: str) -> None:
    """JSON Schema means `format: date-time`. Years near the limits of datetime are excluded."""
    assert is_moment(text) == FORMAT.is_valid(text) or text[:4] in ("0000", "0001", "9999")


@given(st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC)))
def test_a_written_time_is_read_back_unchanged(time: datetime) -> None:
    time = time.replace(microsecond=time.microsecond // 1000 * 1000)

    assert read_moment(rfc3339(time)) == time
    assert milliseconds(time) == round((time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
