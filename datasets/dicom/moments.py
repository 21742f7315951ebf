"""Dates and times in DICOM, where a date may be missing or, after anonymisation, inconsistent.

DICOM PS3.5, section 6.2: DA is ``YYYYMMDD``, TM is ``HH[MM[SS[.F]]]``, and DT is both in one, followed by an offset
from UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

DAY_S = 86400.0
_TIME = re.compile(r"(\d\d):?(?:(\d\d):?(?:(\d\d)(?:\.(\d{1,6}))?)?)?")
_DATE = re.compile(r"(\d{4})[.-]?(\d\d)[.-]?(\d\d)")


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day, with its date if known.

    Attributes:
        second: seconds from midnight.
        day: ordinal number of the day; None if the date is not known.
    """

    second: float
    day: int | None = None

    def since(self, other: Moment) -> float:
        """Return the seconds from another moment to this one, by times of day alone unless both have a date."""
        days = 0 if self.day is None or other.day is None else self.day - other.day
        return days * DAY_S + self.second - other.second

    def later(self, seconds: float) -> Moment:
        """Return the moment ``seconds`` later."""
        days, second = divmod(self.second + seconds, DAY_S)
        return Moment(second, None if self.day is None else self.day + int(days))

    def undated(self) -> Moment:
        """Return the time of day without its date."""
        return replace(self, day=None)


def moment(day: str, time: str) -> Moment | None:
    """Return the moment of a DA and a TM value; None if there is no time.

    >>> moment("20201217", "104830.35"), moment("", "1048"), moment("20201217", "")
    (Moment(second=38910.35, day=737776), Moment(second=38880.0, day=None), None)
    """
    second = _second(time)
    return None if second is None else Moment(second, _day(day))


def moment_of_datetime(value: str) -> Moment | None:
    """Return the moment of a DT value in its own local time; None if it has no time.

    >>> moment_of_datetime("20201217083045.5+0100")
    Moment(second=30645.5, day=737776)
    """
    return moment(value[:8], re.split(r"[+&-]", value[8:])[0])


def earliest(moments: list[Moment]) -> Moment:
    """Return the earliest of several moments of a scan.

    If moments without dates, or all with the same date, are more than half a day apart, midnight lies between them.
    """
    days = {one.day for one in moments}
    if len(days) == 1 and max(m.second for m in moments) - min(m.second for m in moments) > DAY_S / 2:
        moments = [one for one in moments if one.second >= DAY_S / 2]
    if None in days:
        moments = [one.undated() for one in moments]
    return min(moments, key=lambda one: (one.day or 0, one.second))


def _second(time: str) -> float | None:
    match = _TIME.fullmatch(time.strip())
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    if int(hours) > 23 or int(minutes or 0) > 59 or int(seconds or 0) > 60:
        return None
    return int(hours) * 3600.0 + int(minutes or 0) * 60.0 + float(f"{seconds or 0}.{fraction or 0}")


def _day(value: str) -> int | None:
    match = _DATE.fullmatch(value.strip())
    if match is None:
        return None
    try:
        return date(*map(int, match.groups())).toordinal()
    except ValueError:
        return None
