"""Rows of the table of patients: a study's cohort and external cohort, and the published ones beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import Any

import yaml

Described = Mapping[str, Any]
NO_TERM = {"hazard_ratio": None, "low": None, "high": None, "p": None, "reason": ""}
REFERENCE = "reference"
"""Stands as the reason of the level that others are compared with."""


def patient_rows(patients: Mapping[str, Described], endpoint: str) -> Iterator[dict[str, Any]]:
    """Yield a row per characteristic and level.

    Args:
        patients: :func:`survbench.datasets.cohorts.description.describe_patients` by role: ``cohort`` and, if there
            is one, ``external``; nothing is yielded without the first.
        endpoint: name of the outcome.

    Yields:
        ``characteristic level text external_text published published_external published_p``, and the univariate Cox
        model of the cohort (``hazard_ratio low high p reason``) and of the external one (``external_*``).
    """
    if "cohort" not in patients:
        return
    ours, other = patients["cohort"], patients.get("external")
    both = (ours, other)
    yield _row("patients", "", _texts(both, lambda d: f"{d['patients']:,}"))
    yield _row("events", endpoint, _texts(both, lambda d: _count(d["events"], d["patients"])))
    yield _row("censored", "", _texts(both, lambda d: _count(d["patients"] - d["events"], d["patients"])))
    yield _row("follow-up", "months", _texts(both, lambda d: _spread(d["follow_up"])))
    beside = {} if other is None else {column["name"]: column for column in other["columns"]}
    for column in ours["columns"]:
        yield from _of_column(column, beside.get(column["name"]))


def patients_source() -> str:
    """Return where the published rows are from."""
    return str(_file()["source"])


def _of_column(column: Described, other: Described | None) -> Iterator[dict[str, Any]]:
    name, both = column["name"], (column, other)
    if column["kind"] == "numeric":
        yield _row(name, "", _texts(both, _spread), _terms("", both))
    else:
        levels = [each["level"] for each in column["levels"]]
        levels += [e["level"] for e in (other or {"levels": []})["levels"] if e["level"] not in levels]
        for level in levels:
            yield _row(name, level, _texts(both, partial(_of_level, level)), _terms(level, both))
    if column["missing"] or (other or {"missing": 0})["missing"]:
        yield _row(name, "(missing)", _texts(both, lambda c: f"{c['missing']:,}"))


def _row(
    characteristic: str,
    level: str,
    texts: Sequence[str],
    terms: Sequence[Mapping[str, Any]] = (NO_TERM, NO_TERM),
) -> dict[str, Any]:
    (text, external_text), (term, external_term) = texts, terms
    published = _published().get((characteristic, "" if characteristic == "events" else level), {})
    return {
        "characteristic": characteristic,
        "level": level,
        "text": text,
        "external_text": external_text,
        **{key: term[key] for key in NO_TERM},
        **{f"external_{key}": external_term[key] for key in NO_TERM},
        "published": published.get("training", ""),
        "published_external": published.get("testing", ""),
        "published_p": published.get("p"),
    }


def _terms(level: str, columns: Sequence[Described | None]) -> list[Mapping[str, Any]]:
    """Return the Cox model of a level in each cohort; that of the level that others are compared with has no number."""
    return [NO_TERM if column is None else _term(level, column) for column in columns]


def _term(level: str, column: Described) -> Mapping[str, Any]:
    first = next((each["level"] for each in column.get("levels", ())), None)
    found: Mapping[str, Any]
    found = next((t for t in column["terms"] if t["level"] == level), NO_TERM)
    return {**NO_TERM, "reason": REFERENCE} if level == first else found


def _of_level(level: str, column: Described) -> str:
    known = sum(each["patients"] for each in column["levels"])
    return _count(next((e["patients"] for e in column["levels"] if e["level"] == level), 0), known)


def _texts(described: Sequence[Described | None], text: Callable[[Described], str]) -> list[str]:
    """Return a cell of the cohort and one of the external cohort, "" without one."""
    return ["" if each is None else text(each) for each in described]


def _count(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)" if of else str(count)


def _spread(described: Described) -> str:
    """Return a median with the numbers around it; what is not reached is a question mark."""
    median, low, high = ("?" if described[k] is None else f"{described[k]:.4g}" for k in ("median", "low", "high"))
    return f"{median} ({low}–{high})"


@cache
def _file() -> Mapping[str, Any]:
    text = (files("survbench.leaderboard.paper") / "published_patients.yaml").read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content


@cache
def _published() -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(row["characteristic"], row.get("level", "")): row for row in _file()["rows"]}
