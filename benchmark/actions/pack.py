"""A study packed into one archive, which every command that reads an output folder opens."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from survbench.actions.build import build_and_write, read_built
from survbench.actions.pack_texts import CITATION, LOCK, README, citation, lock, readme
from survbench.actions.study_cohort import copy_study_cohort
from survbench.actions.verify import needed_runs
from survbench.errors import BenchError
from survbench.evaluation.pseudonyms import PLAIN_ID, Pseudonyms, pseudonyms_of
from survbench.evaluation.shared_copy import write_shared_copy
from survbench.evaluation.traces import files_that_hold
from survbench.io.hashing import file_digest
from survbench.io.layout import RUNS
from survbench.io.packs import PACK_SCHEMA, Manifest, write_pack
from survbench.io.study_files import FIGURES, SPLITS
from survbench.leaderboard.writers.card_files import CARDS, write_cards
from survbench.plan.protocol import write_splits
from survbench.plan.study import Study
from survbench.runs.provenance import provenance
from survbench.runs.store import LOG, Store, is_of_model

MODELS = "The models of the fits (packed with --weights)."
NEVER = (
    "Logs, and messages and tracebacks of errors.",
    "Images (but for slices of a few patients: the examples of methods that segment are inside).",
    "Prepared cohorts and their cache, and what is in MLflow.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """An archive: its path, size in bytes, SHA-256, and manifest."""

    path: Path
    bytes: int
    sha256: str
    manifest: Manifest


def pack_study(
    study: Study, store: Store, target: Path, *, weights: bool = False, pseudonyms: Path | None = None
) -> Packed:
    """Write a study's runs, board, tables, site and cards into one archive. The board is built again from what is
    packed, so that it follows from it to the bit.

    Args:
        study: the study.
        store: its runs.
        target: the archive.
        weights: whether the models are packed, too.
        pseudonyms: file of the key of the pseudonyms that patients get; None for ids.

    Raises:
        BenchError: there is a file of this name, a run is damaged, or a file would hold an id in spite of pseudonyms or
            the path of a folder of this machine.
    """
    if target.exists() or not target.parent.is_dir():
        what = "exists" if target.exists() else f"cannot be written: there is no folder {target.parent}"
        raise BenchError(f"{target} {what}. Name another file with --to.")
    named = pseudonyms_of(study, store, pseudonyms)
    before = read_built(study.folder(store.root))
    with (
        store.lock() if os.access(store.root, os.W_OK) else nullcontext(),
        TemporaryDirectory() as scratch,
    ):
        copy = Store(Path(scratch))
        keys = needed_runs(store, study)
        shared = write_shared_copy(study, keys, store, copy, named, weights=weights)
        folder = shared.folder(copy.root)
        copy_study_cohort(study, store.root, copy.root, contents=named is None)
        write_splits(folder / SPLITS, shared.protocol.folds)
        board = build_and_write(
            shared,
            copy,
            published=before is not None and before.published,
            figures=(study.folder(store.root) / FIGURES).is_dir(),
        )
        write_cards(board, shared, copy, copy.root / CARDS)
        manifest = Manifest(
            pack_schema=PACK_SCHEMA,
            study=study.name,
            survbench=provenance().survbench,
            commit=provenance().commit,
            weights=weights,
            pseudonyms=named is not None,
            left_out=NEVER if weights else (MODELS, *NEVER),
            files={},
        )
        contents: dict[str, Path | bytes] = {
            README: readme(shared, board, manifest).encode(),
            CITATION: citation().encode(),
            LOCK: lock().encode(),
            **_below(copy.root),
            **(_models(store, keys) if weights else {}),
        }
        _refuse_traces(contents, store, named)
        complete = write_pack(target, contents, manifest)
    return Packed(path=target, bytes=target.stat().st_size, sha256=file_digest(target), manifest=complete)


def _below(folder: Path) -> dict[str, Path | bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOG)
    return {path.relative_to(folder).as_posix(): path for path in files}


def _models(store: Store, keys: set[str]) -> dict[str, Path | bytes]:
    return {
        f"{RUNS}/{key}/{name}": store.folder(key) / name
        for key in keys
        if store.is_sealed(key)
        for name in store.sealed_files(key)
        if is_of_model(name)
    }


def _refuse_traces(contents: dict[str, Path | bytes], store: Store, named: Pseudonyms | None) -> None:
    """Refuse to pack what would say whose machine or who it was, by files that were not made here, such as models."""
    folders = {str(folder) for folder in (Path.home(), store.root) if len(folder.parts) > 1}
    ids = {patient for patient in named.of if not PLAIN_ID.fullmatch(patient)} if named else set()
    for texts, what in ((folders, "the path of a folder of this machine"), (ids, "an id of a patient")):
        if holding := files_that_hold(texts, contents):
            more = f" and {len(holding) - 1} more" if len(holding) > 1 else ""
            raise BenchError(
                f"{holding[0]}{more} would hold {what}, so nothing was packed. If it is a model, pack without "
                "--weights; otherwise correct what the method or the card writes there."
            )
