"""Write a card for each method (how it was fitted, on whom, how well it predicts and what it is not for), and one for
each cohort. Same runs, same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from survbench.api import GROUPS
from survbench.io.files import write_text
from survbench.io.layout import Status
from survbench.io.versions import Provenance
from survbench.leaderboard.board.rows import Board, Row
from survbench.leaderboard.site.pages import method_folder
from survbench.leaderboard.text.cells import NONE, facts
from survbench.leaderboard.text.columns import Place, of
from survbench.leaderboard.text.markdown_text import plain, table_lines
from survbench.leaderboard.text.notes import notes
from survbench.plan.study import CohortDescription, Entry, Study
from survbench.runs.store import Run, Store

CARDS = "cards"
"""Folder of the cards."""
USE = "Research use only. Nobody has tested this model for the care of patients; it is not a medical device."
_NO_METRICS = {"Method", "Family", "Group"}
"""Headings of a board's columns that are not numbers of a method."""
LIMITS = (
    "The interval of the C-index resamples patients. It does not include the variance between training runs.",
    "There is a model per fold. Their mean cannot be tested on this cohort: all models but one have seen each patient.",
    "Nothing was tested on other scanners, stages and treatments than those of the cohorts named above.",
)


def write_cards(board: Board, study: Study, store: Store, folder: Path) -> None:
    """Write ``methods/METHOD.md`` for each method of a board, and ``cohorts/COHORT.md``, into a folder."""
    rows = {row.method: row for row in board.rows}
    cards = {
        f"methods/{method_folder(entry.name)}.md": _of_method(board, rows[entry.name], entry, store)
        for entry in study.entries
        if entry.name in rows
    }
    cards |= {
        f"cohorts/{method_folder(cohort.name)}.md": _of_cohort(cohort)
        for cohort in filter(None, (study.cohort, study.external))
    }
    for name, lines in cards.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(folder / name, "\n".join(lines) + "\n")


def _of_method(board: Board, row: Row, entry: Entry, store: Store) -> list[str]:
    planned = [key for keys in entry.fits for key in keys]
    fits = [run for key in planned if (run := store.read(key)) is not None and run.status == Status.OK]
    method = {
        "Name": entry.name,
        "Family": entry.family,
        "Group": f"{entry.group}: {GROUPS.get(entry.group, '')}".rstrip(": "),
        "Predicts": ", ".join(entry.gives),
        "Described in": entry.reference or NONE,
        "Fits": f"{len(fits)} of {len(planned)} are done",
    }
    metrics = [(c.head, c.text(row), c.meaning) for c in of(Place.METHOD, Place.MARKDOWN) if c.head not in _NO_METRICS]
    limits = [*LIMITS, *notes(row), *(found.sentence for found in board.findings)]
    return [
        f"# {plain(row.title)}",
        "",
        f"**{USE}**",
        "",
        *_section("Method", _facts(method)),
        *_section("Settings", _settings(fits)),
        *_section("Data and protocol", _facts({**_data(board), **facts(board)})),
        *_section("Metrics", table_lines(("Metric", "Value", "Meaning"), (m for m in metrics if m[1] != NONE))),
        *_section("Limits", (f"- {plain(limit)}" for limit in limits)),
        *_section("Made with", _versions([run.record.provenance for run in fits])),
    ]


def _data(board: Board) -> dict[str, str]:
    outside = board.external
    data = {"Data": board.cohort.title, "Licence": board.cohort.licence, "Citation": board.cohort.citation}
    return data if outside is None else {**data, "External licence": outside.licence}


def _settings(fits: Iterable[Run]) -> list[str]:
    """Return the settings that all fits share as a table, and by name those that each training fold decided."""
    used = [run.settings for run in fits]
    if not any(used):
        return ["The method has no settings."]
    names = sorted({name for settings in used for name in settings})
    rows = [(name, _shown([settings.get(name) for settings in used])) for name in names]
    return table_lines(("Setting", "Value"), rows)


def _shown(values: list[Any]) -> str:
    distinct = list(dict.fromkeys(NONE if value is None else str(value) for value in values))
    return distinct[0] if len(distinct) == 1 else f"by fit: {', '.join(distinct)}"


def _versions(made: list[Provenance]) -> list[str]:
    names = sorted({name for each in made for name in each.packages})
    rows = [
        ("survbench", _shown([each.survbench for each in made])),
        ("commit", _shown([each.commit for each in made])),
        ("Python", _shown([each.python for each in made])),
        ("system", _shown([each.platform for each in made])),
        *((name, _shown([each.packages.get(name) for each in made])) for name in names),
    ]
    return table_lines(("", "Version"), rows) if made else ["No fit is done."]


def _of_cohort(cohort: CohortDescription) -> list[str]:
    data = {
        "Name": cohort.name,
        "Endpoint": cohort.endpoint,
        "Patients": f"{cohort.patients}, {cohort.events} with the event, {cohort.centres} centres",
        "Follow-up": f"up to {cohort.longest_months:g} months",
        "Images": ", ".join(cohort.channels) or "none",
        "Voxels": " × ".join(map(str, cohort.grid)) if cohort.grid else NONE,
        "Left out": f"{len(cohort.left_out)} patients with problems",
        "Licence": cohort.licence,
        "Citation": cohort.citation,
        "Fingerprint": cohort.fingerprint,
    }
    return [f"# {plain(cohort.title)}", "", *_facts(data)]


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield from (f"## {title}", "", *lines, "")


def _facts(known: Mapping[str, str]) -> list[str]:
    return [f"- **{plain(name)}**: {plain(value)}" for name, value in known.items()]
