from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunbase.contracts.functions.triggers import Schedule
from bunbase.functions.triggers.cron import check_schedule, next_time
from bunbase.pkg.errors import InvalidInput

BERLIN = "Europe/Berlin"


def times(schedule: Schedule, after: datetime, count: int) -> list[str]:
    """Return the next due times, in UTC."""
    found = []
    for _ in range(count):
        after = next_time(schedule, after)
        found.append(f"{after:%d %H:%M}")
    return found


def test_a_schedule_is_due_in_its_own_time_zone() -> None:
    evening = datetime(2026, 7, 1, 20, tzinfo=UTC)

    assert times(Schedule("0 9 * * *"), evening, 2) == ["02 09:00", "03 09:00"]
    assert times(Schedule("0 9 * * *", BERLIN), evening, 2) == ["02 07:00", "03 07:00"]
    assert times(Schedule("*/20 * * * MON"), evening, 2) == ["06 00:00", "06 00:20"]


def test_the_last_day_and_the_nth_weekday_of_a_month_can_be_named() -> None:
    before = datetime(2026, 2, 1, tzinfo=UTC)

    assert times(Schedule("0 9 L * *"), before, 2) == ["28 09:00", "31 09:00"]
    assert times(Schedule("0 9 LW * *"), before, 2) == ["27 09:00", "31 09:00"]
    assert times(Schedule("0 9 * * 5L"), before, 2) == ["27 09:00", "27 09:00"]
    assert times(Schedule("0 9 * * 1#2"), before, 2) == ["09 09:00", "09 09:00"]


@pytest.mark.parametrize("cron", ["*/59 * * * *", "10-20/10 * * * *", "*/1 */23 1/30 */11 */6", "5-5 * * * 5-7/2"])
def test_a_step_that_reaches_the_end_of_its_range_is_accepted(cron: str) -> None:
    check_schedule(Schedule(cron))


def test_a_time_that_the_clock_skips_is_due_right_after_the_jump() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)

    # These times are 03:00 and 02:30 in Berlin.
    assert times(Schedule("30 2 * * *", BERLIN), before, 2) == ["29 01:00", "30 00:30"]


def test_a_time_that_the_clock_repeats_is_due_once_but_hourly_schedules_run_every_hour() -> None:
    before = datetime(2026, 10, 24, 22, 45, tzinfo=UTC)  # This time is 00:45 in Berlin.

    assert times(Schedule("30 2 * * *", BERLIN), before, 2) == ["25 00:30", "26 01:30"]
    assert times(Schedule("30 * * * *", BERLIN), before, 4) == ["24 23:30", "25 00:30", "25 01:30", "25 02:30"]


def test_during_a_repeated_hour_the_next_due_time_is_always_in_the_future() -> None:
    second_time = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)  # This time is 02:15 in Berlin, for the second time.

    assert times(Schedule("30 2 * * *", BERLIN), second_time, 2) == ["26 01:30", "27 01:30"]
    assert times(Schedule("30 * * * *", BERLIN), second_time, 2) == ["25 01:30", "25 02:30"]


@pytest.mark.parametrize(
    ("schedule", "why"),
    [
        (Schedule("61 * * * *"), "bad minute"),
        (Schedule("0 0 30 2 *"), "bad day-of-month"),
        (Schedule("*/70 * * * *"), "step of 70 is too large for the minute: the range is 0 to 59"),
        (Schedule("0,10-20/11 * * * *"), "step of 11 is too large for the minute: the range is 10 to 20"),
        (Schedule("0 */24 * * *"), "step of 24 is too large for the hour"),
        (Schedule("0 0 1-31/40 * *"), "step of 40 is too large for the day of month"),
        (Schedule("0 0 1 */12 *"), "step of 12 is too large for the month"),
        (Schedule("0 0 * * */7"), "step of 7 is too large for the day of week"),
        (Schedule("* * * *"), "five fields"),
        (Schedule("* * * * * *"), "five fields"),
        (Schedule("@daily"), "five fields"),
        (Schedule(""), "five fields"),
        (Schedule("* " * 500), "at most 200"),
        (Schedule("* * * * *", "Mars/Olympus"), "no time zone"),
        (Schedule("* * * * *", "../../etc/passwd"), "no time zone"),
        (Schedule("* * * * *", "Europe"), "no time zone"),
        (Schedule("* * * * *", ""), "no time zone"),
        (Schedule("* * * * *", "a\0b"), "no time zone"),
    ],
)
def test_an_invalid_schedule_is_refused_with_the_reason(schedule: Schedule, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        check_schedule(schedule)

    assert refused.value.extra["errors"][0]["path"].startswith("/config/schedule/")


FIELD = st.text("0123456789*/,-LW#MONJAN ", max_size=8)


@given(st.lists(FIELD, min_size=4, max_size=6).map(" ".join) | st.text(max_size=40))
def test_arbitrary_text_is_a_valid_schedule_or_refused(text: str) -> None:
    try:
        due = next_time(Schedule(text), datetime(2026, 1, 1, tzinfo=UTC))
    except InvalidInput:
        return
    assert due > datetime(2026, 1, 1, tzinfo=UTC)


@given(
    st.builds("{} {} * * *".format, st.sampled_from(["*", "*/7", "0", "59"]), st.sampled_from(["*", "2", "*/3", "23"])),
    st.sampled_from(sorted(available_timezones())),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_the_next_due_time_of_an_hourly_or_daily_schedule_is_within_26_hours(
    cron: str, zone: str, after: datetime
) -> None:
    due = next_time(Schedule(cron, zone), after)

    assert after < due <= after + timedelta(hours=26)


@pytest.mark.parametrize(
    ("zone", "month", "day"),
    [
        (BERLIN, 3, 29),
        (BERLIN, 10, 25),
        ("Australia/Lord_Howe", 4, 4),
        ("Africa/Cairo", 4, 23),
        ("Africa/Cairo", 10, 29),
    ],
)
@pytest.mark.parametrize("cron", ["0 2 * * *", "30 2 * * *", "45 1 * * *", "30 0-3 * * *", "0 */2 * * *"])
def test_the_due_times_do_not_depend_on_when_they_are_computed(zone: str, month: int, day: int, cron: str) -> None:
    schedule = Schedule(cron, zone)
    walked = next_time(schedule, datetime(2026, month, day, tzinfo=UTC) - timedelta(days=3))

    for minutes in range(7, 36 * 60, 15):
        looked = datetime(2026, month, day, tzinfo=UTC) + timedelta(minutes=minutes)
        while walked <= looked:
            walked = next_time(schedule, walked)
        assert next_time(schedule, looked) == walked
