"""Rows of the table of patients: a study's cohort and external cohort, and the published ones beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
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
        patients: :func:`survbench.description.describe_patients` by role: ``cohort`` and, if there is one,
            ``external``; nothing is yielded without the first.
        endpoint: name of the outcome.

    Yields:
        ``characteristic level text external_text published published_external``, and the univariate Cox model of the
        cohort (``hazard_ratio low high p reason``) and of the external one (``external_*``).
    """
    if "cohort" not in patients:
        return
    ours, other = patients["cohort"], patients.get("external")
    yield _row("patients", "", *(_or_nothing(d, lambda d: f"{d['patients']:,}") for d in (ours, other)))
    events = (_or_nothing(d, lambda d: _count(d["events"], d["patients"])) for d in (ours, other))
    yield _row("events", endpoint, *events)
    yield _row("follow-up", "months", *(_or_nothing(d, lambda d: _spread(d["follow_up"])) for d in (ours, other)))
    beside = {} if other is None else {column["name"]: column for column in other["columns"]}
    for column in ours["columns"]:
        yield from _of_column(column, beside.get(column["name"]))


def patients_source() -> str:
    """Return where the published rows are from."""
    return str(_file()["source"])


def _of_column(column: Described, other: Described | None) -> Iterator[dict[str, Any]]:
    name = column["name"]
    if column["kind"] == "numeric":
        yield _row(name, "", *(_or_nothing(c, _spread) for c in (column, other)), *_terms("", column, other))
    else:
        levels = [each["level"] for each in column["levels"]]
        levels += [e["level"] for e in (other or {"levels": []})["levels"] if e["level"] not in levels]
        for level in levels:
            texts = ("" if c is None else _of_level(c, level) for c in (column, other))
            yield _row(name, level, *texts, *_terms(level, column, other))
    if column["missing"] or (other or {"missing": 0})["missing"]:
        yield _row(name, "(missing)", *(_or_nothing(c, lambda c: f"{c['missing']:,}") for c in (column, other)))


def _row(
    characteristic: str,
    level: str,
    text: str,
    external_text: str,
    term: Mapping[str, Any] = NO_TERM,
    external_term: Mapping[str, Any] = NO_TERM,
) -> dict[str, Any]:
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
    }


def _terms(level: str, *columns: Described | None) -> tuple[Mapping[str, Any], ...]:
    """Return the Cox model of a level in each cohort; that of the level that others are compared with has no number."""
    return tuple(NO_TERM if column is None else _term(level, column) for column in columns)


def _term(level: str, column: Described) -> Mapping[str, Any]:
    first = next((each["level"] for each in column.get("levels", ())), None)
    found: Mapping[str, Any]
    found = next((t for t in column["terms"] if t["level"] == level), NO_TERM)
    return {**NO_TERM, "reason": REFERENCE} if level == first else found


def _of_level(column: Described, level: str) -> str:
    known = sum(each["patients"] for each in column["levels"])
    return _count(next((e["patients"] for e in column["levels"] if e["level"] == level), 0), known)


def _or_nothing(described: Described | None, text: Any) -> str:
    return "" if described is None else str(text(described))


def _count(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)" if of else str(count)


def _spread(described: Described) -> str:
    """Return a median with the numbers around it; what is not reached is a question mark."""
    median, low, high = ("?" if described[k] is None else f"{described[k]:.4g}" for k in ("median", "low", "high"))
    return f"{median} ({low}–{high})"


@cache
def _file() -> Mapping[str, Any]:
    text = (files("survbench.leaderboard") / "published_patients.yaml").read_text(encoding="utf-8")
    content: Mapping[str, Any] = yaml.safe_load(text)
    return content


@cache
def _published() -> dict[tuple[str, str], Mapping[str, str]]:
    return {(row["characteristic"], row.get("level", "")): row for row in _file()["rows"]}
