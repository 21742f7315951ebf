"""``bench study pack``: one archive of a study, opened by every command that reads an output folder."""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import survbench as sb
from jobs import a_fit
from survbench.actions.build import build_and_write
from survbench.actions.pack import _refuse_traces, pack_study
from survbench.actions.pack_texts import readme
from survbench.actions.verify import verify
from survbench.evaluation.pseudonyms import Pseudonyms
from survbench.evaluation.traces import files_that_hold
from survbench.io.files import write_json
from survbench.io.packs import Manifest, open_pack
from survbench.plan.protocol import write_splits
from survbench.plan.study import read_study
from survbench.runs.record import RunRecord
from survbench.runs.store import Store, write_run
from survbench.tracking import mlflow_writer
from toy_site import FAIR, POOR, enrich, fill
from toy_study import IDS, OUTSIDE, method, study

NAME = "toy-smoke-00000000"
IN_STUDY = f"studies/{NAME}"
ID = re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, (*IDS, *OUTSIDE)))})(?![^\W_])")
PLANTED = ("Lovelace", "/home/ada", "hunter2", "gpu-node-07", "ada@", "TRACEBACK")
"""A patient's name, a home folder, a secret, a host, an account and a traceback."""
ERROR = {
    "type": "ValueError",
    "message": "patient P03 (Lovelace^Ada): no /home/ada/scan.nii on gpu-node-07, password=hunter2",
    "traceback": "TRACEBACK in /home/ada/fit.py by ada@gpu-node-07",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Have packs unpacked to a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def built(of, store):
    of.write(store.root)
    write_splits(of.folder(store.root) / "splits.json", of.protocol.folds)
    build_and_write(of, store)
    return of


def with_model(store, key, **content):
    """Write a run again, with a model."""
    old = store.read(key)
    table = old.predictions()
    with store.writing(key) as folder:
        write_run(folder, old.job, old.record)
        table.to_parquet(folder / "predictions.parquet")
        old.curves().to_parquet(folder / "curves.parquet")
        (folder / "model").mkdir()
        write_json(folder / "model" / "weights.json", content)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the output folder of a complete study, with an external cohort and models."""
    store = Store(tmp_path_factory.mktemp("whole") / "out")
    outside = np.linspace(0, 1, 20) * np.ones((1, 3, 1))
    kept = [[{"age": 0.5}, {"age": 0.25}, {"age": 0.0}]]
    entries = [
        method(store, "radiomics-lasso-cox", FAIR, outside=outside, selected=kept),
        method(store, "sur-hs", POOR, outside=-outside, title="Sur-HS"),
    ]
    for fold in range(3):
        with_model(store, f"sur-hs-0-{fold}", weight=0.5)
    built(study(entries), store)
    return store.root


@pytest.fixture(scope="module")
def packs(whole):
    """Return a folder with packs of the study: bare, with models, and with pseudonyms."""
    folder, store, of = whole.parent, Store(whole), read_study(whole / IN_STUDY)
    pack_study(of, store, folder / "bare.zip")
    pack_study(of, store, folder / "full.zip", weights=True)
    pack_study(of, store, folder / "named.zip", pseudonyms=folder / "site.key")
    return folder


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Return the output folder of a study with a failure, and identifying texts wherever a text can stand."""
    store = Store(tmp_path_factory.mktemp("planted") / "out")
    of = read_study(fill(store.root).parent)
    store.record_failure(
        a_fit("fails-0-0", method="fails", test=tuple(IDS[:3])), RunRecord(status="failed", error=ERROR), str(ERROR)
    )
    enrich(store, "sur-hs-0-0", params={"encoder": "/home/ada/encoder.pt"})
    (store.folder("sur-hs-0-1") / "notes-of-Lovelace.txt").write_text("hunter2")
    return built(of, store).folder(store.root).parents[1]


def contents(pack):
    """Return what the files of a pack hold as text, by name."""
    texts = {}
    with zipfile.ZipFile(pack) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith(".parquet"):
                texts[name] = pd.read_parquet(io.BytesIO(data)).to_csv()
            elif name.endswith(".npz"):
                texts[name] = str(dict(np.load(io.BytesIO(data))))
            else:
                texts[name] = re.sub(r"base64,[\w+/=]*", "", data.decode("utf-8"))
    return texts


def test_the_board_and_the_tables_of_a_pack_are_those_of_the_study_byte_for_byte(bench, whole, packs, tmp_path):
    ended = bench("study", "pack", "--out", whole, "--to", "again.zip", "--json")
    assert json.loads(ended.stdout)["manifest"]["weights"] is False
    assert (tmp_path / "again.zip").read_bytes() == (packs / "bare.zip").read_bytes(), "equal content, equal bytes"
    ours = whole / IN_STUDY
    names = {path.relative_to(ours).as_posix() for path in ours.rglob("*") if path.is_file()} - {"built.sha256"}
    with zipfile.ZipFile(packs / "bare.zip") as archive:
        assert {name for name in names if archive.read(f"{IN_STUDY}/{name}") != (ours / name).read_bytes()} == set()
        packed = set(archive.namelist())
    assert {"README.md", "MANIFEST.json", "CITATION.cff", "requirements.lock"} <= packed
    assert {"cards/methods/sur-hs.md", "cards/cohorts/toy.md", "cards/cohorts/outside.md"} <= packed
    assert not [name for name in packed if "/model/" in name or name.endswith("log.txt")]


def test_every_command_that_reads_an_output_folder_opens_a_pack(bench, whole, packs, monkeypatch):
    pack = packs / "bare.zip"
    for command in (
        ("compare", "sur-hs", "radiomics-lasso-cox", "--json"),
        ("method", "show", "radiomics-lasso-cox", "--json"),
    ):
        assert bench(*command, "--out", pack).stdout == bench(*command, "--out", whole).stdout
    assert [row["states"] for row in json.loads(bench("status", "--out", pack, "--json").stdout)["studies"]] == [
        {"ok": 6},
        {"ok": 6},
    ]
    assert bench("study", "board", "--out", pack).returncode == 0
    loaded = sb.load_study(pack)
    assert loaded.board.to_frame().equals(sb.load_study(whole).board.to_frame())
    assert sb.compare(loaded, "sur-hs", f"radiomics-lasso-cox@{whole}").difference < 0
    tracked = []

    def track(study, store, out, **_):
        tracked.append(store.root)
        return mlflow_writer.TrackReport("sqlite", 2, 1)

    monkeypatch.setattr(mlflow_writer, "track", track)
    assert bench("ui", "--only-track", "--out", pack).returncode == 0
    assert tracked == [open_pack(pack)]
    assert sb.verify(pack).differences == (), "nothing of this has changed the pack or what it is unpacked to"


def test_a_method_is_compared_with_itself_across_packs(bench, whole, packs, tmp_path):
    pack = packs / "bare.zip"
    ended = bench("compare", f"sur-hs@{pack}", f"sur-hs@{whole}", "--out", tmp_path / "nothing")
    assert ended.returncode == 0, ended.stderr
    assert f"sur-hs@{pack}: 0.665   sur-hs@{whole}: 0.665" in ended.stdout
    assert "itself" in bench("compare", f"sur-hs@{pack}", f"sur-hs@{pack}").stderr


@pytest.mark.parametrize(
    "command",
    [["run"], ["study", "import", "risks.csv", "--name", "mine"], ["study", "pack"], ["status", "--clean"]],
    ids=" ".join,
)
def test_commands_that_write_say_what_to_do_with_a_pack(bench, packs, command):
    before = (packs / "bare.zip").read_bytes()
    ended = bench(*command, "--out", packs / "bare.zip")
    assert ended.returncode == 2
    assert "unpack it with" in ended.stderr or "from which nothing is removed" in ended.stderr
    assert (packs / "bare.zip").read_bytes() == before


def test_models_that_were_left_out_are_no_difference_and_lost_ones_are(bench, packs):
    bare, full = (bench("study", "verify", packs / name) for name in ("bare.zip", "full.zip"))
    assert (bare.returncode, full.returncode) == (0, 0)
    assert "left out of this pack on purpose" in bare.stdout
    assert "left out" not in full.stdout
    key = "sur-hs-0-0"
    assert not Store(open_pack(packs / "bare.zip")).has_model(key)
    unpacked = Store(open_pack(packs / "full.zip"))
    assert unpacked.has_model(key)
    (unpacked.folder(key) / "model" / "weights.json").unlink()
    assert [one.path.name for one in verify(unpacked.root).differences] == ["weights.json"]


@pytest.mark.parametrize("named", [False, True], ids=["ids", "pseudonyms"])
def test_no_file_of_a_pack_holds_what_was_planted(planted, tmp_path, named):
    key = tmp_path / "site.key" if named else None
    pack = pack_study(read_study(planted / IN_STUDY), Store(planted), tmp_path / "a.zip", pseudonyms=key).path
    texts = contents(pack)
    assert {name for name, text in texts.items() for word in PLANTED if word in name + text} == set()
    assert "ValueError: withheld" in texts[f"{IN_STUDY}/leaderboard.json"]
    holding = {name for name, text in texts.items() if ID.search(name + text)}
    assert (holding == set()) == named
    if key is not None:
        assert key.read_text().strip() not in "".join(texts.values())
    assert verify(pack).differences == ()


def test_with_pseudonyms_every_number_but_those_of_resampling_is_the_same(bench, packs):
    ours, theirs = (
        sb.load_study(packs / name).board.to_frame().set_index("method") for name in ("bare.zip", "named.zip")
    )
    same = ["rank", "c_index", "c_index_pooled", "external_c_index", "difference", "p", "uno_c", "status"]
    pd.testing.assert_frame_equal(ours[same], theirs[same])
    assert bench("study", "verify", packs / "named.zip").returncode == 0
    refused = bench("compare", f"sur-hs@{packs / 'bare.zip'}", f"sur-hs@{packs / 'named.zip'}")
    assert f"patients that only {packs / 'bare.zip'} has" in refused.stderr


def test_a_model_that_holds_ids_is_not_packed_with_pseudonyms(tmp_path):
    store = Store(tmp_path / "out")
    of = study([method(store, "knn", FAIR)], external=False)
    with_model(store, "knn-0-0", neighbours=IDS[:3])
    of.write(store.root)
    with pytest.raises(sb.BenchError, match=r"knn-0-0/model/weights\.json would hold an id of a patient"):
        pack_study(of, store, tmp_path / "a.zip", weights=True, pseudonyms=tmp_path / "site.key")
    assert not (tmp_path / "a.zip").exists()


def test_record_numbers_in_a_model_are_looked_for(tmp_path):
    ids = {f"3001234{n}": f"P{n}" for n in range(3)}
    files = {
        "a.json": b'{"x": [0.30012340, 130012341]}',
        "b.json": b'{"x": ["30012342"]}',
        "c.csv": b"id\n30012341.0\n",
    }
    assert files_that_hold(ids, files) == ["b.json", "c.csv"]
    _refuse_traces({"a.json": files["a.json"]}, Store(tmp_path), Pseudonyms(ids))
    with pytest.raises(sb.BenchError, match="an id of a patient"):
        _refuse_traces(files, Store(tmp_path), Pseudonyms(ids))


def test_the_readme_predicts_by_the_best_row_that_has_models(whole):
    of, board = read_study(whole / IN_STUDY), sb.load_study(whole).board
    ranked = [row.method for row in sorted(board.rows, key=lambda row: row.rank)]
    best = next(e for e in of.entries if e.name == ranked[0])
    manifest = Manifest(
        pack_schema=1, study=of.name, survbench="0", commit=None, weights=True, pseudonyms=False, left_out=(), files={}
    )

    def said(**changed):
        entries = tuple(replace(e, **changed) if e == best else e for e in of.entries)
        return re.findall("bench predict (.*) FOLDER", readme(replace(of, entries=entries), board, manifest))

    assert said() == [ranked[0]]
    assert said(imported=True) == said(members=("a", "b")) == [ranked[1]]
    none = tuple(replace(e, imported=True) for e in of.entries)
    assert "bench predict" not in readme(replace(of, entries=none), board, manifest)


def test_an_existing_file_is_kept_and_damaged_runs_are_not_packed(bench, whole, tmp_path):
    (tmp_path / "mine.zip").write_bytes(b"mine")
    ended = bench("study", "pack", "--out", whole, "--to", "mine.zip")
    assert (ended.returncode, (tmp_path / "mine.zip").read_bytes()) == (2, b"mine")
    store = Store(tmp_path / "out")
    of = study([method(store, "good", FAIR)], external=False)
    (store.folder("good-0-0") / "predictions.parquet").write_bytes(b"")
    with pytest.raises(sb.BenchError, match="good-0-0 are damaged"):
        pack_study(of, store, tmp_path / "a.zip")


def test_a_card_says_what_a_method_is_and_is_not_and_the_lock_what_is_installed(whole, packs):
    texts = contents(packs / "bare.zip")
    card = texts["cards/methods/sur-hs.md"]
    (row,) = (row for row in sb.load_study(whole).board.rows if row.method == "sur-hs")
    assert "Research use only" in card
    assert f"{row.c_index:.3f} ({row.c_index_low:.3f}–{row.c_index_high:.3f})" in card
    assert "3 of 3 are done" in card
    pinned = texts["requirements.lock"].splitlines()[1:]
    plain = [re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in pinned]
    assert sorted(set(plain)) == sorted(plain)
    assert {f"numpy=={np.__version__}", f"pandas=={pd.__version__}"} <= set(texts["requirements.lock"].splitlines())
