"""Numbers and settings of a board as text, shared by the terminal's table, Markdown and the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from survbench.api import GROUPS, Published
from survbench.evaluation.learning import VERDICTS, Verdicts
from survbench.io.units import duration
from survbench.leaderboard.board.rows import Board
from survbench.statistics.significance import p_text
from survbench.training import PUBLISHED_STEPS

NONE = "–"


def ranks(low: float | None, high: float | None) -> str:
    """Return the interval of a rank: methods with the same C share a rank, which can be a half."""
    return NONE if low is None or high is None else f"{round(low, 1):g}–{round(high, 1):g}"


def ties(groups: Sequence[int]) -> str:
    """Return the letters of groups of methods without significant differences.

    >>> ties((1, 2, 27))
    'a b 27'
    """
    return " ".join(chr(96 + n) if n <= 26 else str(n) for n in groups) or NONE


def number(value: float | None) -> str:
    """Return three decimals."""
    return NONE if value is None else f"{value:.3f}"


def interval(value: float | None, low: float | None, high: float | None, seed_sd: float | None = None) -> str:
    """Return a value with its interval and, with several seeds, their standard deviation."""
    if value is None:
        return NONE
    text = f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f}–{high:.3f})"
    return text if seed_sd is None else f"{text} ±{seed_sd:.3f}"


def stacked(value: float | None, low: float | None, high: float | None) -> tuple[str, ...]:
    """Return a value, and its interval as a second line."""
    return (number(value), *([] if value is None or low is None or high is None else [f"{low:.3f}–{high:.3f}"]))


def signed(value: float | None, low: float | None, high: float | None) -> str:
    """Return a difference with its interval, all with signs.

    >>> signed(-0.0125, -0.04, 0.015)
    '-0.013 (-0.040 to +0.015)'
    """
    if value is None:
        return NONE
    return f"{value:+.3f}" if low is None or high is None else f"{value:+.3f} ({low:+.3f} to {high:+.3f})"


def stacked_signed(value: float | None, low: float | None, high: float | None) -> tuple[str, ...]:
    """Return a difference with its sign, and its interval as a second line."""
    if value is None:
        return (NONE,)
    lines = (f"{value:+.3f}", *([] if low is None or high is None else [f"{low:+.3f} to {high:+.3f}"]))
    return tuple(line.replace("-", "−") for line in lines)


def p_value(p: float | None) -> str:
    """Return a p value as papers print it."""
    return NONE if p is None else p_text(p)


def bootstrap_floor(board: Board) -> str:
    """Return a sentence on the smallest p value that the board's bootstraps can give, or "" if there is none."""
    if board.p_bootstrap_floor is None:
        return ""
    outside = board.external_p_bootstrap_floor
    text = f"The paired bootstrap's p is raw and at least 2 / (resamples + 1) = {board.p_bootstrap_floor:.2g}"
    return text + ("." if outside is None or outside == board.p_bootstrap_floor else f", outside {outside:.2g}.")


def elapsed(seconds: float | None) -> str:
    """Return a duration."""
    return NONE if seconds is None else duration(seconds)


def memory(megabytes: float | None) -> str:
    """Return an amount of memory.

    >>> memory(613.4), memory(2460.0)
    ('613 MB', '2.5 GB')
    """
    if megabytes is None:
        return NONE
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def parameters(count: int | None) -> str:
    """Return a number of parameters.

    >>> parameters(32), parameters(14600), parameters(3709672)
    ('32', '15 k', '3.7 M')
    """
    if count is None:
        return NONE
    if count < 1000:
        return str(count)
    return f"{count / 1000:.0f} k" if count < 10**6 else f"{count / 10**6:.1f} M"


def published(values: Published | None) -> str:
    """Return a published C-index, cross-validated / external."""
    if values is None or values.c_index is None:
        return NONE
    outside = values.external_c_index
    return f"{values.c_index:.3f}" + ("" if outside is None else f" / {outside:.3f}")


def learned(count: Verdicts) -> str:
    """Return how many fits have learned, and the verdicts on the others.

    >>> learned(Verdicts(fits=3, learned=1, over_fitted=2, not_learned=0))
    'Learned: 1 of 3 fits (2 over-fitted)'
    """
    others = [verdict for verdict in VERDICTS if verdict != "learned"]
    named = ", ".join(f"{count.of(verdict)} {verdict}" for verdict in others if count.of(verdict))
    return f"Learned: {count.learned} of {plural(count.fits, 'fit')}" + (f" ({named})" if named else "")


def filled(rows: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    """Return rows of cells without the columns that are empty in all of them."""
    return tuple({k: v for k, v in row.items() if any(other[k] != NONE for other in rows)} for row in rows)


def facts(board: Board) -> dict[str, str]:
    """Return the conditions under which the board was made, by name."""
    cohort, protocol, profile, outside = board.cohort, board.protocol, board.profile, board.external
    known = {"Cohort": f"{cohort.patients} patients, {cohort.events} events ({cohort.endpoint})"}
    if outside:
        known["External cohort"] = f"{outside.title}: {outside.patients} patients, {outside.events} events"
    steps = profile.training.steps
    instead = f", published {PUBLISHED_STEPS:,}" if steps != PUBLISHED_STEPS else ""
    selection = {"last": "last step", "inner": "inner validation", "paper": "test fold, as published"}
    trials = plural(profile.tuning.trials, "trial")
    tuning = {
        "none": "as declared",
        "nested": f"tuned on {profile.tuning.inner_folds} inner folds, {trials}",
        "paper": f"tuned on the test folds, as published, {trials}",
    }
    return {
        **known,
        "Protocol": f"{len(protocol.folds)} folds, {plural(protocol.seeds, 'seed')}",
        "Checkpoint": selection[protocol.selection],
        "Hyper-parameters": tuning[protocol.tuning],
        "Profile": profile.name,
        "Voxels": " × ".join(map(str, cohort.grid)) if cohort.grid else "no images",
        "Training of networks": plural(steps, "step") + instead,
        "Intervals": f"95 %, {board.resamples:,} bootstrap resamples",
        **_of_statistics(board),
    }


def _of_statistics(board: Board) -> dict[str, str]:
    horizons = ", ".join(f"{month:g}" for month in board.protocol.horizons)
    tau = board.protocol.tau
    known = {"Horizons": f"{horizons} months, tau {'none' if tau is None else f'{tau:g}'}"}
    if board.smallest_detectable_difference is not None:
        known["Smallest detectable difference"] = (
            f"{board.smallest_detectable_difference:.3f} in C, at 5 % with 80 % power (median of all pairs)"
        )
    return known


def comparisons(board: Board) -> dict[str, str]:
    """Return how many rows of each group are compared with the reference method, which Holm p accounts for, by name as
    in :func:`facts`; empty if nothing is compared.
    """
    counts = Counter(row.group for row in board.rows if row.difference.p is not None)
    if not counts:
        return {}
    known = ", ".join(f"{counts[group]} of {group}" for group in GROUPS if group in counts)
    return {"Comparisons": f"with {board.protocol.reference}, Holm p within each group: {known}"}


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "seed"), plural(1500, "step")
    ('1 seed', '1,500 steps')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
