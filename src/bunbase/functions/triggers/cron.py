"""Computes when a schedule is due. A schedule is a cron line with five fields, in a time zone.

Daylight saving time works as in Debian's cron. If the clock skips the time of a run in spring, the run starts right
after the jump. If the time of a run occurs twice in autumn, the run starts only once, unless the hour is `*`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from bunbase.contracts.functions.triggers import Schedule
from bunbase.pkg.errors import InvalidInput

MAX_LENGTH: Final = 200
FIELDS: Final = 5  # A sixth field would be seconds, but no schedule runs so often.
RANGES: Final = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6))
STEP: Final = re.compile(r"(?:\*|(?P<first>\d{1,2})(?:-(?P<last>\d{1,2}))?)/(?P<step>\d{1,9})", re.ASCII)


def as_schedule(schedule: str | Schedule) -> Schedule:
    return Schedule(schedule) if isinstance(schedule, str) else schedule


def check_schedule(schedule: Schedule) -> None:
    """Check the schedule of a new version. Raises: InvalidInput."""
    next_time(schedule, datetime(2026, 1, 1, tzinfo=UTC))
    for field, (name, first, last) in zip(schedule.cron.split(), RANGES, strict=True):
        for step in map(STEP.fullmatch, field.split(",")):
            if step is not None:
                _check_step(name, int(step["step"]), int(step["first"] or first), int(step["last"] or last))


def _check_step(name: str, step: int, first: int, last: int) -> None:
    """Refuse a step that leaves its range at once, such as `*/70`. cron would use only the first value."""
    if step > last - first:
        raise _invalid("cron", f"a step of {step} is too large for the {name}: the range is {first} to {last}.")


def next_time(schedule: Schedule, after: datetime) -> datetime:
    """Return the first due time after `after`, in UTC. Raises: InvalidInput."""
    zone = _zone(schedule.time_zone)
    if len(schedule.cron) > MAX_LENGTH:
        raise _invalid("cron", f"a cron line may have at most {MAX_LENGTH} characters.")
    if len(schedule.cron.split()) != FIELDS:
        raise _invalid("cron", "a cron line must have five fields: minute, hour, day of month, month, day of week.")
    try:
        times = (time.astimezone(UTC) for time in CronSim(schedule.cron, after.astimezone(zone)))
        return next(time for time in times if time > after)  # In a repeated hour, the first time may be in the past.
    except CronSimError as error:
        raise _invalid("cron", f"{schedule.cron!r} is not a cron line: {str(error).lower()}.") from None
    except StopIteration:
        raise _invalid("cron", f"{schedule.cron!r} is never due.") from None


def _zone(name: str) -> tzinfo:
    if name == "UTC":  # This works without a database of time zones.
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise _invalid("time_zone", f"this server knows no time zone {name!r}; an example is Europe/Berlin.") from None


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput.at(f"/config/schedule/{field}", f"schedule: {message}")
