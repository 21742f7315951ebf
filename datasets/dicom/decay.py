"""Compute how long the tracer had decayed at the moment whose activity a PET shows.

The rules follow QIBA's vendor-neutral pseudo-code for SUV (Quantitative Imaging Biomarkers Alliance, "Vendor neutral
pseudo-code for SUV calculation", happy path and robust version), extended to headers whose dates are missing or were
shifted by anonymisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset
from survbench.datasets.dicom.headers import number, private_text, text
from survbench.datasets.dicom.moments import DAY_S, Moment, earliest, moment, moment_of_datetime
from survbench.datasets.readers.errors import ImageError

GE_CREATOR, GE_SCAN_TIME = "GEMS_PETD_01", 0x0D
MOST_HALF_LIVES = 5.0
"""A scan later than this after the injection would see 3 % of the dose, so the times must be wrong."""
_AGREE_S = 60.0
"""Start times of frames, or two records of the injection time, that differ by less than this count as equal."""
_TIMES_SUFFICE_S = DAY_S / 2
"""If the half-life exceeds this, scans follow the injection by days, so dates are needed."""
_INJECTION = "Provide the seconds from the injection to the scan."


@dataclass(frozen=True, slots=True)
class Reference:
    """The moment to which a scanner corrected the decay.

    Attributes:
        moment: the moment.
        rule: the source of the moment, in words.
        notes: oddities of the times.
    """

    moment: Moment
    rule: str
    notes: tuple[str, ...] = ()


def scan_reference(slices: Sequence[Dataset], half_life_s: float) -> Reference:
    """Return the moment to which a series with the decay correction START is corrected.

    1. The series time, unless it is later than the earliest acquisition: then it is the time at which the series was
       created, not the time of the scan.
    2. GE's own scan time, (0009,xx0D) of GEMS_PETD_01.
    3. The start of the scan computed back from each frame (PS3.3, section C.8.9.4: FrameReferenceTime is the offset of
       the time of average count rate from the series' reference), if all frames agree.
    4. The earliest acquisition of all slices.

    Raises:
        ImageError: neither the series nor any slice has a time.
    """
    series = moment(text(slices[0], "SeriesDate"), text(slices[0], "SeriesTime"))
    acquired = [found for one in slices if (found := acquisition_of(one)) is not None]
    if not acquired:
        if series is None:
            raise ImageError("The PET has neither a series time nor acquisition times.", _INJECTION)
        return Reference(series, "series time", ("No slice has an acquisition time.",))
    first = earliest(acquired)
    notes: tuple[str, ...] = ()
    if series is not None:
        late = series.since(first)
        if abs(late) > DAY_S / 2 and (late < 0 or series.day is None or first.day is None):
            late = _within_half_day(late)
            series = Moment(series.second, first.later(late).day)
            notes = ("The dates of series and acquisition contradict each other; only times of day were compared.",)
        if late <= 0:
            return Reference(series, "series time", notes)
    ge = moment_of_datetime(private_text(slices[0], 0x0009, GE_CREATOR, GE_SCAN_TIME))
    if ge is not None:
        fits = abs(ge.since(first)) <= DAY_S / 2
        return Reference(ge if fits else Moment(ge.second, first.day), "GE's private scan time", notes)
    if (start := _computed_back(slices, half_life_s)) is not None:
        return Reference(start, "start of the scan, computed back from its frames", notes)
    return Reference(first, "earliest acquisition", notes)


def acquisition_of(header: Dataset) -> Moment | None:
    """Return when the acquisition of a slice began, or None if the header does not say."""
    found = moment(text(header, "AcquisitionDate"), text(header, "AcquisitionTime"))
    return found or moment_of_datetime(text(header, "AcquisitionDateTime"))


def average_count_time(duration_s: float, half_life_s: float) -> float:
    """Return the time, in seconds from the start of a frame, at which the count rate equalled the frame's mean.

    For decay constant k and duration T it is ln(kT / (1 - exp(-kT))) / k.

    >>> round(average_count_time(240.0, 6586.2), 2)
    119.75
    """
    constant = math.log(2) / half_life_s
    within = constant * duration_s
    return math.log(within / -math.expm1(-within)) / constant


def middle_of(header: Dataset, half_life_s: float) -> Moment:
    """Return the moment at which a slice without decay correction had the activity that it shows.

    Raises:
        ImageError: the slice has no acquisition time.
    """
    start, duration = acquisition_of(header), number(header, "ActualFrameDuration")
    if start is None:
        what = "The PET is not corrected for decay, and a slice has no acquisition time."
        raise ImageError(what, "Export the series that is corrected for decay.")
    return start.later(average_count_time(duration / 1000, half_life_s)) if duration and duration > 0 else start


def delay(injection: Dataset, scan: Moment, half_life_s: float) -> tuple[float, list[str]]:
    """Return the seconds from the injection to a moment of the scan, and notes.

    RadiopharmaceuticalStartDateTime is used if its date agrees with the scan's. Otherwise the times of day are used,
    with midnight between them if the injection's is more than half a day later.

    Raises:
        ImageError: there is no injection time, or there are two that differ; the injection is after the scan or too
            long before it; or dates are missing for a nuclide that is scanned after days.
    """
    dated = moment_of_datetime(text(injection, "RadiopharmaceuticalStartDateTime"))
    timed = moment("", text(injection, "RadiopharmaceuticalStartTime"))
    start = dated or timed
    if start is None:
        raise ImageError("The PET has no injection time.", _INJECTION)
    if dated is not None and timed is not None and abs(_within_half_day(dated.second - timed.second)) > _AGREE_S:
        apart = abs(_within_half_day(dated.second - timed.second))
        what = f"The PET has two injection times, {apart:.0f} s apart."
        raise ImageError(what, _INJECTION)
    longest = MOST_HALF_LIVES * half_life_s
    notes: list[str] = []
    if start.day is not None and scan.day is not None:
        seconds = scan.since(start)
        if 0 <= seconds <= longest:
            return seconds, notes
        if -_TIMES_SUFFICE_S < seconds < 0:
            raise _injection_after_scan(seconds)
        notes.append("The dates of injection and scan contradict each other; only times of day were compared.")
    if half_life_s > _TIMES_SUFFICE_S:
        what = "The PET has no consistent dates of injection and scan, and its nuclide decays over days."
        raise ImageError(what, _INJECTION)
    seconds = scan.undated().since(start)
    if seconds <= -_TIMES_SUFFICE_S:
        seconds += DAY_S
        notes.append("Injection and scan are on different sides of midnight.")
    if seconds < 0:
        raise _injection_after_scan(seconds)
    if seconds > longest:
        hours, most = seconds / 3600, f"{MOST_HALF_LIVES:g} half-lives"
        what = f"The injection is {hours:.1f} hours before the scan, more than {most}."
        raise ImageError(what, _INJECTION)
    return seconds, notes


def _injection_after_scan(seconds: float) -> ImageError:
    return ImageError(f"The injection is {-seconds:.0f} s after the scan.", _INJECTION)


def _within_half_day(seconds: float) -> float:
    """Return a difference between times of day as a value between -12 and 12 hours."""
    return (seconds + DAY_S / 2) % DAY_S - DAY_S / 2


def _computed_back(slices: Sequence[Dataset], half_life_s: float) -> Moment | None:
    """Return the start of the scan computed back from its frames; None if times are missing or do not agree."""
    starts: list[Moment] = []
    for one in slices:
        offset, duration = number(one, "FrameReferenceTime"), number(one, "ActualFrameDuration")
        acquired = acquisition_of(one)
        if acquired is None or not offset or not duration or offset < 0 or duration < 0:
            return None
        starts.append(acquired.later(average_count_time(duration / 1000, half_life_s) - offset / 1000))
    first = earliest(starts)
    return first if all(_within_half_day(one.second - first.second) <= _AGREE_S for one in starts) else None
