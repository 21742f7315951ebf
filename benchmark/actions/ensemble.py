"""An ensemble of rows put on a study's board: their stored predictions are averaged, and nothing is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from survbench.actions.import_risks import NAME
from survbench.errors import BenchError, UnknownNameError
from survbench.plan.registry import registry
from survbench.plan.study import Entry, Study
from survbench.runs.store import Store

ENSEMBLE = "ensemble"
"""Name of an ensemble that is given none, its family, and its group."""


def add_ensemble(study: Study, store: Store, members: Sequence[str], *, name: str = ENSEMBLE, title: str = "") -> Study:
    """Return the study with the mean of some of its rows, written.

    An ensemble holds names alone: its numbers are made of its members' predictions whenever the board is built. Another
    ensemble of the same name takes the place of the first.

    Args:
        study: whose rows are averaged.
        store: the output folder, which the caller has locked.
        members: names of at least two rows of the study that give risks.
        name: of the row, kebab case; no method's.
        title: on the board; by default how many rows it averages.

    Raises:
        BenchError: the name is taken, or a member cannot be one.
    """
    entries = {e.name: e for e in study.entries}
    _check(members, entries, name)
    entry = Entry(
        name=name,
        title=title or f"Ensemble of {len(members)} rows",
        family=ENSEMBLE,
        group=ENSEMBLE,
        gives=("risk",),
        notes=f"mean of the standardised risks of {', '.join(members)}; nothing was fitted",
        members=tuple(members),
    )
    changed = replace(study, entries=tuple((entries | {name: entry}).values()))
    if changed != study:
        changed.write(store.root)
    return changed


def _check(members: Sequence[str], entries: dict[str, Entry], name: str) -> None:
    if not NAME.fullmatch(name):
        raise BenchError(f"--name {name!r} must be lower case with hyphens, such as 'best-three'.")
    if name in registry().methods or (name in entries and not entries[name].members):
        raise BenchError(f"--name {name!r} is a method or another row of this study. Choose another name.")
    able = [e.name for e in entries.values() if "risk" in e.gives and e.family != "reference" and not e.members]
    for member in members:
        if member not in entries:
            raise UnknownNameError("row", member, able, see="'bench status'")
        if member not in able:
            raise BenchError(
                f"{member} cannot be a member: reference rows, other ensembles and rows without risks are left out. "
                f"Choose among {', '.join(able)}."
            )
    if len(set(members)) < max(2, len(members)):
        raise BenchError(f"An ensemble needs at least two different rows, given: {', '.join(members) or 'none'}.")
