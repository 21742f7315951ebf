"""Cohorts by name or by the path of a card."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from survbench.datasets.cards.card import CohortCard, parse_card, read_card
from survbench.datasets.cards.source import SourceCohort
from survbench.datasets.checks.catalogue import of_cohort
from survbench.datasets.cohorts.usable import read_cohort, usable
from survbench.errors import BenchError, UnknownNameError
from survbench.io.paths import expanded
from survbench.plan.profile import PhantomSize, Profile

CARD_FILE = "cohort.yaml"
PHANTOMS = ("phantom", "phantom-external")
PUBLIC = {
    "hn_petct": "TCIA collection Head-Neck-PET-CT, doi:10.7937/K9/TCIA.2017.8oje5q00; features: radMLBench",
    "nsclc_pet": "Dryad, doi:10.5061/dryad.752153b",
    "sts51": "TCIA collection Soft-tissue-Sarcoma, doi:10.7937/K9/TCIA.2015.7GO2GSKS",
}
"""Cohorts whose card comes with survbench but whose data do not, and where the data are published."""


def cohort_summaries() -> list[dict[str, Any]]:
    """Return the named cohorts for ``bench list cohorts``."""
    cards = [(name, _packaged_card("phantom")) for name in PHANTOMS] + [(name, _packaged_card(name)) for name in PUBLIC]
    return [
        {
            "name": name,
            "title": card.title + (", second centre (external test)" if name == PHANTOMS[1] else ""),
            "endpoint": card.endpoint.name,
            "channels": list(card.images),
            "features": card.features is not None,
            "embedded": name in PHANTOMS,
            "licence": card.licence,
            "citation": card.citation,
        }
        for name, card in cards
    ]


def default_external(name: str) -> str | None:
    """Return the external cohort that belongs to a named cohort, or None."""
    return "phantom-external" if name == "phantom" else None


def load_source(
    name_or_path: str,
    *,
    profile: Profile,
    data: Path | None = None,
    in_folds: bool = True,
    skip_bad: bool = False,
    ignored: Collection[str] = (),
) -> SourceCohort:
    """Return a cohort by name, by its folder, or by its card file.

    Args:
        name_or_path: ``phantom``, ``phantom-external``, a public cohort, a folder with ``cohort.yaml``, or a card.
        profile: sets the phantom's size and grid.
        data: folder of a public cohort's data, or of the data of a card in another folder.
        in_folds: whether the cohort will be split into folds.
        skip_bad: leave out patients with problems instead of failing.
        ignored: codes of findings to ignore.

    Raises:
        UnknownNameError: neither a known name nor an existing path.
        BenchError: the data are missing, cannot be used, or were given for a phantom.
    """
    if name_or_path in PHANTOMS:
        if data is not None:
            raise BenchError(
                f"{name_or_path} is made by survbench and needs no data. Leave out --data, or name the cohort that "
                f"{data} belongs to with --cohort."
            )
        source = _phantoms(profile.phantom, profile.voxels)[PHANTOMS.index(name_or_path)]
        return usable(replace(source, in_folds=in_folds), (), of_cohort, skip_bad=skip_bad, ignored=ignored)
    card, folder = locate(name_or_path, data=data)
    return read_cohort(card, folder, in_folds=in_folds, skip_bad=skip_bad, ignored=ignored)


def locate(name_or_path: str, *, data: Path | None) -> tuple[CohortCard, Path]:
    """Return the card and the data folder of a cohort other than a phantom.

    Raises:
        UnknownNameError: neither a known name nor an existing path.
        BenchError: the data folder is missing.
    """
    if name_or_path in PUBLIC:
        if data is None:
            raise BenchError(
                f"The data of {name_or_path} do not come with survbench ({PUBLIC[name_or_path]}). "
                "Give the folder of the data with --data."
            )
        return _packaged_card(name_or_path), _folder(data)
    path = expanded(name_or_path)
    if path.is_dir():
        if not (path / CARD_FILE).is_file():
            raise BenchError(
                f"{path} has no {CARD_FILE}. Draft one with 'bench cohort init {path} --table TABLE.csv', "
                "see docs/how-to/add-a-cohort.md."
            )
        return read_card(path / CARD_FILE), _folder(data or path)
    if path.is_file():
        return read_card(path), _folder(data or path.parent)
    if "/" in name_or_path or path.suffix in {".yaml", ".yml"}:
        raise BenchError(f"There is no cohort at {path}. Give a folder with {CARD_FILE}, or a card file.")
    raise UnknownNameError("cohort", name_or_path, [*PHANTOMS, *PUBLIC], see="'bench list cohorts'; a path works too")


def _folder(path: Path) -> Path:
    folder = expanded(path).absolute()
    if not folder.is_dir():
        raise BenchError(f"There is no folder {folder}. Give the folder with the cohort's table and images.")
    return folder


def _packaged_card(name: str) -> CohortCard:
    return parse_card(
        (files("survbench.datasets.cards") / f"{name}.yaml").read_text(encoding="utf-8"), source=f"{name}.yaml"
    )


@lru_cache(maxsize=2)
def _phantoms(size: PhantomSize, voxels: int) -> tuple[SourceCohort, SourceCohort]:
    from survbench.datasets.phantom.cohort import phantom_cohorts

    return phantom_cohorts(size, voxels)
