"""``bench cohort features``: a cohort's radiomics as a table, with a report of what not to trust."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from survbench.datasets.cards.source import offers
from survbench.datasets.checks.catalogue import of_voxels
from survbench.datasets.cohorts.opened import open_cohorts
from survbench.datasets.cohorts.usable import log_findings, sifted
from survbench.errors import BenchError
from survbench.features.extraction import Extraction, structure_column, with_structures
from survbench.features.feature_sets import FeatureSet
from survbench.features.report import Doubt, report
from survbench.findings import CohortError, Finding
from survbench.io.csv_text import csv_text
from survbench.io.files import named_if_full, write_text
from survbench.jobs.preparation import PreparationWatcher, prepare_source
from survbench.plan.profile import Profile
from survbench.runs.store import Store

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True, slots=True)
class Extracted:
    """A cohort's features.

    Attributes:
        cohort: its name.
        feature_set: the set that they belong to.
        names: the features, in the order of the table's columns: of the tumour mask, and then of each structure.
        extractions: by patient's id.
        failed: what is wrong, by id, of patients without features.
        findings: what not to trust.
        cached: patients whose features were there before.
        seconds: from the open cohort to the features in memory: hashing the images, and what is not in the cache.
    """

    cohort: str
    feature_set: FeatureSet
    names: tuple[str, ...]
    extractions: Mapping[str, Extraction]
    failed: Mapping[str, str]
    findings: Sequence[Doubt]
    cached: int
    seconds: float


def extract_cohort(
    cohort: str,
    *,
    data: Path | None,
    profile: Profile,
    set_name: str | None,
    out: Path,
    workers: int,
    skip_bad: bool,
    watcher: PreparationWatcher,
    ignored: Collection[str] = (),
) -> Extracted:
    """Preprocess a cohort on the profile's grid and extract what is not in the cache.

    Args:
        cohort: a named cohort, a folder or a card.
        data: folder of a named cohort's data.
        profile: tells the grid.
        set_name: the feature set; None for the card's.
        out: the output folder, whose cache is used.
        workers: processes at once.
        skip_bad: leave out patients whose row or files have problems.
        watcher: is told the progress.
        ignored: codes of findings in spite of which to go on.

    Raises:
        BenchError: the cohort or the set cannot be used, or no patient could be extracted.
    """
    with Store(out).lock():
        cohorts = open_cohorts([(cohort, data)], profile=profile, skip_bad=skip_bad, ignored=ignored, folds=False)
        (source,) = cohorts.sources
        if "radiomics" not in offers(source):
            raise BenchError(
                f"Cohort {source.card.name!r} has no {'mask' if source.cohort.channels else 'images'}; radiomics need "
                "images and the tumour mask. Add them to the card, see docs/reference/cohort-card.md."
            )
        if source.cohort.features is not None:
            raise BenchError(
                f"Cohort {source.card.name!r} brings its features in a table; there is nothing to extract. Remove "
                "'features' from the card to have radiomics of its images."
            )
        feature_set = cohorts.ask_for_radiomics(set_name, per_structure=True)
        started = time.perf_counter()
        made = prepare_source(
            cohorts,
            source,
            out=out,
            workers=workers,
            timeout_s=profile.job_timeout_s,
            watcher=watcher,
            ignored=ignored,
        )
        seconds = time.perf_counter() - started
    left, errors = sifted(
        source,
        [*source.findings, *made.problems],
        lambda left: of_voxels(left, made.facts_of(left)),
        ignored=ignored,
    )
    failed: dict[str, list[Finding]] = {}
    for found in errors:
        failed.setdefault(found.subject, []).append(found)
    of_mask = {i: made.extractions[i] for i in left.cohort.ids if i in made.extractions}
    structures = {name: {i: found[i] for i in of_mask} for name, found in made.structures.items()}
    extractions = {i: with_structures(e, {n: of[i] for n, of in structures.items()}) for i, e in of_mask.items()}
    if not extractions or "" in failed:
        raise CohortError(f"No patient of {source.card.name} could be extracted:", errors)
    log_findings(left, left.findings, ignored)
    names = feature_set.names(source.cohort.channels)
    return Extracted(
        cohort=source.card.name,
        feature_set=feature_set,
        names=(*names, *(structure_column(structure, name) for structure in structures for name in names)),
        extractions=extractions,
        failed={i: " ".join(f.what for f in found) for i, found in sorted(failed.items())},
        findings=report(of_mask, structures),
        cached=made.cached,
        seconds=seconds,
    )


def check_table_path(path: Path) -> None:
    """Refuse a path whose suffix names no format.

    Raises:
        BenchError: neither ``.parquet`` nor ``.csv``.
    """
    if path.suffix not in SUFFIXES:
        raise BenchError(f"--to {path}: the suffix names the format. Give a file that ends in {' or '.join(SUFFIXES)}.")


def write_table(extracted: Extracted, path: Path) -> Path:
    """Write the table (``id`` and one column per feature) as its suffix says, and the report beside it.

    Returns:
        The report's path, ``<stem>-report.csv``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ["id", *extracted.names]
    rows = {i: [float(e.values[name]) for name in extracted.names] for i, e in extracted.extractions.items()}
    if path.suffix == ".csv":
        cells = ([i, *(None if math.isnan(value) else value for value in values)] for i, values in rows.items())
        write_text(path, csv_text(header, cells, rounded=False))
    else:
        import pandas as pd

        table = pd.DataFrame([*rows.values()], columns=header[1:], dtype="float64")
        table.insert(0, "id", pd.Series([*rows], dtype="string"))
        with named_if_full(path.parent):
            table.to_parquet(path, index=False)
    beside = path.with_name(f"{path.stem}-report.csv")
    doubts = [(f.kind, f.subject, f.feature, f.detail) for f in extracted.findings]
    write_text(beside, csv_text(["finding", "subject", "feature", "detail"], doubts))
    return beside
