"""How long the tracer had decayed when the activity of a PET was what the image says.

The rules are those of QIBA's vendor-neutral pseudo-code for SUV (Quantitative Imaging Biomarkers Alliance, "Vendor
neutral pseudo-code for SUV calculation", happy path and robust version), extended to headers whose dates are missing
or were shifted by anonymisation.
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
"""A scan later than this after the injection sees 3 % of the dose: the times do not fit."""
_AGREE_S = 60.0
"""Start times of frames, or two notations of the injection, that lie closer are the same."""
_TIMES_SUFFICE_S = DAY_S / 2
"""With half-lives above this, scans follow the injection by days, so the dates are needed."""
_INJECTION = "Give the seconds from the injection to the scan."


@dataclass(frozen=True, slots=True)
class Reference:
    """The moment to which a scanner corrected the decay.

    Attributes:
        moment: the moment.
        rule: where it is from.
        notes: what is odd about the times.
    """

    moment: Moment
    rule: str
    notes: tuple[str, ...] = ()


def scan_reference(slices: Sequence[Dataset], half_life_s: float) -> Reference:
    """Return the moment to which a series with the decay correction START is corrected.

    1. The series time, unless it is later than the earliest acquisition: then it is the time at which the series was
       made, not that of the scan.
    2. GE's own scan time, (0009,xx0D) of GEMS_PETD_01.
    3. The start of the scan computed back from each frame (PS3.3, section C.8.9.4: FrameReferenceTime is the offset of
       the time of average count rate from the series' reference), where all frames agree.
    4. The earliest acquisition of all slices.

    Raises:
        ImageError: neither the series nor a slice has a time.
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
            late = _of_day(late)
            series = Moment(series.second, first.later(late).day)
            notes = ("The dates of series and acquisition do not fit: their times of day were compared.",)
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
    """Return when the acquisition of a slice began; None where the header does not say."""
    found = moment(text(header, "AcquisitionDate"), text(header, "AcquisitionTime"))
    return found or moment_of_datetime(text(header, "AcquisitionDateTime"))


def average_count_time(duration_s: float, half_life_s: float) -> float:
    """Return when in a frame the count rate was that of the frame's mean, seconds from its start.

    With the decay constant k and the duration T it is ln(kT / (1 - exp(-kT))) / k.

    >>> round(average_count_time(240.0, 6586.2), 2)
    119.75
    """
    constant = math.log(2) / half_life_s
    within = constant * duration_s
    return math.log(within / -math.expm1(-within)) / constant


def middle_of(header: Dataset, half_life_s: float) -> Moment:
    """Return when a slice that is not corrected for decay had the activity that it shows.

    Raises:
        ImageError: the slice has no acquisition time.
    """
    start, duration = acquisition_of(header), number(header, "ActualFrameDuration")
    if start is None:
        what = "The PET is not corrected for decay, and a slice has no acquisition time."
        raise ImageError(what, "Export the series that is corrected for decay.")
    return start.later(average_count_time(duration / 1000, half_life_s)) if duration and duration > 0 else start


def delay(injection: Dataset, scan: Moment, half_life_s: float) -> tuple[float, list[str]]:
    """Return the seconds from the injection to a moment of the scan, and what is to be noted.

    RadiopharmaceuticalStartDateTime is taken where its date fits the scan's; else the times of day, with midnight
    between them where the injection's is more than half a day later.

    Raises:
        ImageError: no time of injection, two that differ, an injection after the scan, one that is too long ago, or
            no date for a nuclide with which scans follow after days.
    """
    dated = moment_of_datetime(text(injection, "RadiopharmaceuticalStartDateTime"))
    timed = moment("", text(injection, "RadiopharmaceuticalStartTime"))
    start = dated or timed
    if start is None:
        raise ImageError("The PET has no time of injection.", _INJECTION)
    if dated is not None and timed is not None and abs(_of_day(dated.second - timed.second)) > _AGREE_S:
        apart = abs(_of_day(dated.second - timed.second))
        what = f"The PET has two times of injection, {apart:.0f} s apart."
        raise ImageError(what, _INJECTION)
    longest = MOST_HALF_LIVES * half_life_s
    notes: list[str] = []
    if start.day is not None and scan.day is not None:
        seconds = scan.since(start)
        if 0 <= seconds <= longest:
            return seconds, notes
        if -_TIMES_SUFFICE_S < seconds < 0:
            raise _after(seconds)
        notes.append("The dates of injection and scan do not fit: their times of day were compared.")
    if half_life_s > _TIMES_SUFFICE_S:
        what = "The PET has no dates of injection and scan that fit, and its nuclide decays over days."
        raise ImageError(what, _INJECTION)
    seconds = scan.undated().since(start)
    if seconds <= -_TIMES_SUFFICE_S:
        seconds += DAY_S
        notes.append("Midnight lies between injection and scan.")
    if seconds < 0:
        raise _after(seconds)
    if seconds > longest:
        hours, most = seconds / 3600, f"{MOST_HALF_LIVES:g} half-lives"
        what = f"The injection lies {hours:.1f} hours before the scan, more than {most}."
        raise ImageError(what, _INJECTION)
    return seconds, notes


def _after(seconds: float) -> ImageError:
    return ImageError(f"The injection lies {-seconds:.0f} s after the scan.", _INJECTION)


def _of_day(seconds: float) -> float:
    """Return a difference of times of day as one between -12 and 12 hours."""
    return (seconds + DAY_S / 2) % DAY_S - DAY_S / 2


def _computed_back(slices: Sequence[Dataset], half_life_s: float) -> Moment | None:
    """Return the start of the scan by its frames; None where one lacks its times, or they do not agree."""
    starts: list[Moment] = []
    for one in slices:
        offset, duration = number(one, "FrameReferenceTime"), number(one, "ActualFrameDuration")
        acquired = acquisition_of(one)
        if acquired is None or not offset or not duration or offset < 0 or duration < 0:
            return None
        starts.append(acquired.later(average_count_time(duration / 1000, half_life_s) - offset / 1000))
    first = earliest(starts)
    return first if all(_of_day(one.second - first.second) <= _AGREE_S for one in starts) else None
