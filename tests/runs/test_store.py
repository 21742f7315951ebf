"""Run folders: complete or not there, checked, never two writers."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from jobs import a_fit
from survbench.runs.record import RunRecord
from survbench.runs.store import Store, write_run


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def fill(store, key="k1", text="truth"):
    with store.writing(key) as folder:
        write_run(folder, a_fit(key), RunRecord(status="ok"))
        (folder / "predictions.parquet").write_text(text)
        (folder / "model").mkdir()
        (folder / "model" / "weights").write_text("weights")


def test_a_run_is_done_only_when_sealed(store):
    assert not store.is_done("k1")
    fill(store)
    assert store.is_done("k1", with_model=True)
    assert store.read("k1").status == "ok"


def test_an_exception_while_writing_leaves_nothing(store):
    with pytest.raises(RuntimeError), store.writing("k1") as folder:
        (folder / "predictions.parquet").write_text("half")
        raise RuntimeError
    assert not store.folder("k1").exists()
    assert list((store.root / "runs").iterdir()) == []


@pytest.mark.parametrize("name", ["predictions.parquet", "run.json"])
def test_a_changed_byte_is_named_and_the_run_counts_as_not_done(store, name, caplog):
    fill(store)
    path = store.folder("k1") / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert not store.is_done("k1")
    assert name in caplog.text


def test_a_damaged_seal_is_no_seal(store):
    fill(store)
    path = store.folder("k1") / "DONE"
    path.write_bytes(path.read_bytes()[:20])
    assert not store.is_done("k1")


def test_a_truncated_file_is_noticed(store):
    fill(store)
    path = store.folder("k1") / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.is_done("k1")


def test_a_damaged_model_is_noticed_when_it_is_needed(store):
    fill(store)
    (store.folder("k1") / "model" / "weights").write_text("other")
    assert store.is_done("k1")
    assert not store.is_done("k1", with_model=True)


def test_a_failed_run_is_recorded_but_never_done_and_gives_way_to_a_good_one(store):
    record = RunRecord(status="failed", error={"type": "E", "message": "m"})
    store.record_failure(a_fit("k1"), record, "what it printed")
    assert not store.is_done("k1")
    assert store.read("k1").status == "failed"
    fill(store)
    assert store.is_done("k1")


def test_a_failure_never_replaces_a_result_that_is_intact(store, caplog):
    """As of a run with ``--fresh``, or one that needs the model of an earlier one, which is damaged."""
    fill(store)
    (store.folder("k1") / "model" / "weights").write_text("other")
    before = {path: path.read_bytes() for path in store.folder("k1").rglob("*") if path.is_file()}
    store.record_failure(a_fit("k1"), RunRecord(status="oom", error={"type": "E", "message": "held 9 GB"}), "")
    assert {path: path.read_bytes() for path in store.folder("k1").rglob("*") if path.is_file()} == before
    assert "m seed 0 fold 0 ended as oom (E: held 9 GB); its earlier result is kept" in caplog.text
    (store.folder("k1") / "predictions.parquet").write_text("changed")
    store.record_failure(a_fit("k1"), RunRecord(status="oom"), "")
    assert store.read("k1").status == "oom"
    assert not store.is_done("k1"), "a failure must not leave the seal of what was there"


def test_a_failure_that_cannot_be_recorded_leaves_nothing_behind(store):
    record = RunRecord(status="failed", error={"type": "E", "message": "m"})
    with pytest.raises(UnicodeEncodeError):
        store.record_failure(a_fit("k1"), record, "\udcff")
    assert list((store.root / "runs").iterdir()) == []


def test_a_second_writer_is_told_who_holds_the_folder(store):
    code = (
        "import sys; from pathlib import Path; from survbench.runs.store import Store\n"
        "with Store(Path(sys.argv[1])).lock(): pass"
    )
    with store.lock():
        other = subprocess.run(
            [sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, check=False
        )
    assert other.returncode == 1
    assert "is in use by process" in other.stderr
    with store.lock():
        pass


def test_leftovers_of_a_killed_writer_are_cleared(store):
    part = store.root / "runs" / "k1.part-abc"
    part.mkdir(parents=True)
    (part / "predictions.parquet").write_text("half")
    fill(store, "k2")
    store.clear_leftovers()
    assert not part.exists()
    assert store.is_done("k2")


def test_half_written_files_are_listed_beside_a_run_that_builds_its_site(store):
    site = store.root / "studies" / "s" / "site.part"
    (store.root / "cache").mkdir()
    (store.root / "cache" / "x.1.part").touch()
    over = threading.Event()

    def build():
        while not over.is_set():
            for name in "abcdefgh":
                (site / name / "data").mkdir(parents=True)
                (site / name / "data" / "page").touch()
            shutil.rmtree(site)

    with ThreadPoolExecutor() as builders:
        building = builders.submit(build)
        try:
            assert all(store.root / "cache" / "x.1.part" in store.half_written() for _ in range(200))
        finally:
            over.set()
        building.result()
