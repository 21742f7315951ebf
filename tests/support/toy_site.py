"""Writes a study with curves, survival curves, example slices, hostile titles and a failure, and its site."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
from jobs import a_fit, a_search
from survbench.api import SURVIVAL_MONTHS
from survbench.cohort import Subject
from survbench.evaluation.feature_selection import selections
from survbench.evaluation.sample import measure
from survbench.io.files import write_json
from survbench.io.layout import LEARNING, SELECTED
from survbench.leaderboard.board.build import board_of
from survbench.leaderboard.paper.tables import tables
from survbench.leaderboard.site.site import write_site
from survbench.leaderboard.writers.board_files import write_board
from survbench.leaderboard.writers.selection_files import write_selections
from survbench.leaderboard.writers.table_files import write_tables
from survbench.runs.record import RunRecord
from survbench.runs.store import Store, write_run
from survbench.space import Choice, Real, Whole, space_to_json
from survbench.volume import Volume
from survbench.work.example_slices import Examples
from survbench.work.tuned import Trial, Tuned, write_tuned
from toy_study import TIME, figures, method, study

RNG = np.random.default_rng(11)
FAIR, POOR = (-TIME + scale * RNG.normal(size=30) for scale in (25.0, 60.0))
EVIL = "<script>document.title='broken'</script>"
CURVES = [
    *((step, "train", "L_sur", 4.0 - 0.1 * step) for step in range(1, 31)),
    *((step, "test", "L_sur", abs(step - 12) + 1.0) for step in range(3, 31, 3)),
    *((step, "train", "L_seg", -0.02 * step) for step in range(1, 31)),
]


def enrich(store, key, *, rows=(), survival=False, examples=False, params=None, settings=None):
    """Write a run again with curves, survival curves, example slices, and hyper-parameters."""
    old = store.read(key)
    table = old.predictions()
    if survival:
        hazard = np.exp((table["risk"] - FAIR.mean()) / FAIR.std())
        table["survival"] = list(np.exp(-np.outer(hazard, SURVIVAL_MONTHS / 60)))
    with store.writing(key) as folder:
        job = old.job.model_copy(update={"fold": int(key[-1])})
        write_run(folder, job, old.record.model_copy(update={"params": params or {}, "settings": settings or {}}))
        if old.selected() is not None:
            write_json(folder / SELECTED, old.selected())
        if old.learning() is not None:
            write_json(folder / LEARNING, old.learning())
        table.to_parquet(folder / "predictions.parquet")
        pd.DataFrame(list(rows), columns=["step", "split", "metric", "value"]).to_parquet(folder / "curves.parquet")
        if examples:
            kept = Examples([patient(i) for i in table["id"][:2]], [mask() for _ in range(2)])
            list(kept.watch(iter([mask().voxels().astype(np.float32)] * 2)))
            kept.write(folder)


def tuned(store, key):
    """Write a finished search, with a hostile option and an error that names a path."""
    space = {"rate": Real(1e-4, 1e-1, log=True), "depth": Whole(1, 3), "kind": Choice(("a", EVIL))}
    trials = [Trial(number=0, params={}, state="complete", value=0.5, steps={})]
    for number, (rate, value) in enumerate(((1e-3, 0.55), (1e-2, 0.65), (5e-2, None), (2e-2, 0.6)), start=1):
        params = {"rate": rate, "depth": 1 + number % 3, "kind": EVIL if number == 2 else "a"}
        state, error = ("complete", "") if value else ("fail", f"OSError: no /home/ada/scans/Ada_Lovelace.nii {EVIL}")
        trials.append(Trial(number=number, params=params, state=state, value=value, steps={}, error=error))
    with store.writing(key) as folder:
        write_run(folder, a_search(key, method="mt-hs", space=space_to_json(space)), RunRecord(status="ok"))
        write_tuned(folder, Tuned(trials=tuple(trials)))


def volume(voxels, modality):
    return Volume(modality, voxels.shape, np.diag([2.0, 2.0, 2.0, 1.0]), lambda: voxels, lambda: "f")


def mask():
    voxels = np.zeros((8, 8, 6), dtype=bool)
    voxels[1:3, 4:7, 2] = True
    voxels[1, 4, 3] = True
    return volume(voxels, "MASK")


def patient(name):
    ramp = np.broadcast_to(np.arange(8.0)[:, None, None], (8, 8, 6)).astype(np.float32)
    return Subject(id=name, centre="A", clinical={}, volumes={"ct": volume(-ramp, "CT"), "pet": volume(ramp, "PET")})


def fill(root, order=(0, 1, 2, 3, 4, 5)):
    """Write a study's runs, in any order, its files and its site; return the site's folder."""
    store = Store(root)
    weights = [[{"age": 0.5, EVIL: -0.25}, {"age": 0.25, EVIL: 0.0}, {"age": 0.5, EVIL: 0.0}]]
    makers = (
        lambda: method(store, "radiomics-lasso-cox", FAIR, family="radiomics", selected=weights),
        lambda: method(store, "sur-hs", POOR, family="ablation", title="Sur-HS"),
        lambda: method(
            store,
            "mt-hs",
            POOR + 1,
            family="ablation",
            gives=("risk", "segmentation"),
            dice=0.5,
            learning=[[figures(0.9, dice=0.6), figures(0.6, dice=0.3), None]],
        ),
        lambda: method(store, "Evil Name", POOR[::-1], title=EVIL, notes=EVIL),
        lambda: method(store, "oracle", -TIME, family="reference"),
        lambda: method(store, "fails", TIME),
    )
    made = {number: makers[number]() for number in order}
    entries = [made[number] for number in sorted(made)]
    for fold in range(3):
        enrich(store, f"radiomics-lasso-cox-0-{fold}", survival=True)
        enrich(store, f"sur-hs-0-{fold}", rows=CURVES)
        enrich(store, f"mt-hs-0-{fold}", rows=CURVES, examples=True)
    tuned(store, "search00-mt-hs")
    entries = [replace(entry, tunes=(("search00-mt-hs",),)) if entry.name == "mt-hs" else entry for entry in entries]
    error = {"type": "RuntimeError", "message": "no /home/ada/scans/Ada_Lovelace.nii", "traceback": ""}
    record = RunRecord(status="failed", error=error)
    text = f'first\nFile "/home/ada/my code/fit.py", line 3\n{EVIL}\n'
    shutil.rmtree(store.folder("fails-0-0"))  # a failure replaces no result
    store.record_failure(a_fit("fails-0-0", method="fails"), record, text)
    return build(study(entries, external=False), store)


def build(of, store):
    of.write(store.root)
    folder = of.folder(store.root)
    write_json(folder / "splits.json", {"folds": of.protocol.folds})
    measured, chosen = measure(of, store), selections(of, store)
    board = board_of(of, measured)
    write_board(board, folder, chosen)
    write_selections(chosen, folder / "selection")
    write_tables(tables(board, of), folder / "tables")
    return write_site(of, store, board, measured, chosen)
