"""``bench status``: what is done, how jobs ended, what takes the disk, and what can go."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from jobs import a_fit, a_search
from survbench.actions.clean import clean, disk_use
from survbench.errors import BenchError
from survbench.io.files import write_json
from survbench.plan.registry import registry
from survbench.runs.record import RunRecord
from survbench.runs.store import Store, write_run
from toy_study import IDS, TIME, figures, folds, method, put, study, table

RISK = np.linspace(1, 0, 30)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "out")


@pytest.fixture
def written(store):
    """Return a study of one complete method, written."""
    made = study([method(store, "good", RISK)], external=False)
    made.write(store.root)
    return made


def a_run(store, key, **more):
    """Write a run that no entry names."""
    put(store, key, table(IDS, folds()[0], RISK[:10], fold=0), **more)


def change_job(store, key, **fields):
    path = store.folder(key) / "job.json"
    write_json(path, {**json.loads(path.read_text()), **fields})


def scratch(store, key, text="half"):
    (store.scratch(key) / "checkpoint").write_text(text)


def runs(store):
    return sorted(p.name for p in (store.root / "runs").iterdir())


def test_methods_are_counted_and_the_last_line_tells_the_disk(bench, store, written):
    a_run(store, "stray")
    (store.root / "cache").mkdir()
    (store.root / "cache" / "volume").write_bytes(b"0" * 1500)
    ended = bench("status", "--out", store.root)
    assert ended.returncode == 0
    first, second, last = ended.stdout.splitlines()
    assert (first, second.split()) == (written.name, ["good", "3", "ok"])
    assert last.startswith("Disk: runs ")
    assert "that no study refers to: 'bench status --clean' removes them), cache 1.5 kB, scratch 0 B" in last
    told = json.loads(bench("status", "--out", store.root, "--json").stdout)
    row = {"study": written.name, "method": "good", "states": {"ok": 3}, "retried": 0, "skipped_external": ""}
    assert told["studies"] == [row | {"members": []}]
    stray = sum(p.stat().st_size for p in store.folder("stray").iterdir())
    assert (told["disk"]["unreferenced"], told["disk"]["cache"], told["disk"]["scratch"]) == (stray, 1500, 0)
    assert told["disk"]["runs"] > stray


def test_an_empty_folder_says_how_to_start(bench, store):
    ended = bench("status", "--out", store.root)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        f"Nothing has run under {store.root}. Start with 'bench run'.",
        "Disk: runs 0 B (all belong to studies), cache 0 B, scratch 0 B",
    ]


def test_a_job_tells_how_it_ended_and_what_it_printed(bench, store, written):
    error = {"type": "RuntimeError", "message": "this always fails", "traceback": "line 1"}
    a_run(store, "badbad", status="failed", error=error)
    (store.folder("badbad") / "log.txt").write_text("printed before\n")
    ended = bench("status", "badb", "--out", store.root)
    assert ended.returncode == 0
    assert ended.stdout.splitlines() == [
        "badbad  m seed 0 fold 0: failed",
        "RuntimeError: this always fails",
        "line 1",
        "printed before",
    ]
    (told,) = json.loads(bench("status", "badbad", "--out", store.root, "--json").stdout)
    assert (told["status"], told["error"], told["log"]) == ("failed", error, "printed before")
    assert len(json.loads(bench("status", "m", "--out", store.root, "--json").stdout)) == 4
    unknown = bench("status", "nobody", "--out", store.root)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "is called 'nobody'. 'bench status' shows what has run." in unknown.stderr


def test_a_run_that_is_not_sealed_yet_is_no_run(bench, store, written):
    with store.filling("unsealed") as part:
        write_run(part, a_fit("unsealed"), RunRecord(status="ok"))
    assert part.is_dir()
    assert len(json.loads(bench("status", "m", "--out", store.root, "--json").stdout)) == 3


def test_a_study_tells_of_each_fit_of_a_network_whether_it_has_learned(bench, store):
    learned = [[figures(0.9), figures(0.6, dice=0.3), None]]
    made = study([method(store, "net", -TIME, learning=learned), method(store, "good", RISK)], external=False)
    made.write(store.root)
    ended = bench("status", made.name, "--out", store.root)
    assert ended.returncode == 0
    name, net, good, head, first, second = ended.stdout.splitlines()
    assert (name, net.split(), good.split()) == (made.name, ["net", "3", "ok"], ["good", "3", "ok"])
    assert head.split()[:6] == ["Method", "Seed", "Fold", "Verdict", "Patients", "Events"]
    assert first.split()[:8] == ["net", "0", "0", "learned", "20", "12", "0.900", "0.700"]
    assert second.split()[:9] == ["net", "0", "0", "not", "learned", "20", "12", "0.600", "0.700"]
    assert [line.index("0.700") for line in (first, second)] == [head.index("Least C")] * 2
    told = json.loads(bench("status", made.name, "--out", store.root, "--json").stdout)
    assert [row["method"] for row in told["methods"]] == ["net", "good"]
    fits = told["fits"]
    assert [(f["method"], f["verdict"], f["c_index"], f["least_c"]) for f in fits] == [
        ("net", "learned", 0.9, 0.7),
        ("net", "not learned", 0.6, 0.7),
    ]
    assert fits[0]["c_test"]["value"] == 1.0
    assert fits[1]["dice_constant"] == 0.4


def test_a_study_of_which_nothing_was_checked_says_so(bench, store, written):
    ended = bench("status", written.name, "--out", store.root)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1].startswith("Whether a fit has learned was not measured")
    assert json.loads(bench("status", written.name, "--out", store.root, "--json").stdout)["fits"] == []


def test_clean_removes_what_no_study_refers_to_and_says_so(bench, store, written):
    before = runs(store)
    a_run(store, "stray")
    unfinished = "0123456789abcdef" * 2
    scratch(store, unfinished)
    scratch(store, "good-0-1")
    (store.root / "runs" / "good-0-0.part-1x").mkdir()
    for kept in ("cache", "cohorts"):
        (store.root / kept).mkdir()
        (store.root / kept / "file").write_text("of a cohort")
    expected = disk_use(store).unreferenced + 4
    told = json.loads(bench("status", "--clean", "--out", store.root, "--json").stdout)
    assert [one["path"] for one in told["removed"]] == ["runs/good-0-0.part-1x", "runs/stray", f"scratch/{unfinished}"]
    assert told["bytes"] == sum(one["bytes"] for one in told["removed"]) == expected
    assert runs(store) == before
    assert [p.name for p in (store.root / "scratch").iterdir()] == ["good-0-1"]
    assert all((store.root / kept / "file").exists() for kept in ("cache", "cohorts"))
    a_run(store, "stray")
    again = bench("status", "--clean", "--out", store.root)
    first, last = again.stdout.splitlines()
    assert first.startswith("Removed runs/stray: m seed 0 fold 0, ")
    assert last.endswith(" are free now. Prepared cohorts and the cache were left alone.")
    last = bench("status", "--clean", "--out", store.root).stdout
    assert last == "There was nothing to remove. Prepared cohorts and the cache were left alone.\n"


def test_what_a_job_needs_stays_with_all_that_this_needs(store, written):
    for key in ("up", "search", "inner", "of-inner", "stray"):
        a_run(store, key)
    change_job(store, "good-0-0", upstream={"key": "up", "needs_predict": []})
    change_job(store, "up", tune="search")
    inner = {"train": [], "validation": [], "upstream": {"key": "inner", "needs_predict": []}}
    search = a_search("search").model_dump(mode="json")
    change_job(store, **{**search, "splits": [inner, {**inner, "upstream": None}]})
    change_job(store, "inner", kind="predict", fit="of-inner", upstream=None)
    assert [one.path for one in clean(store)] == ["runs/stray"]
    assert {"up", "search", "inner", "of-inner"} <= set(runs(store))


def test_imported_risks_need_nothing_and_stay(store, written):
    path = store.folder("good-0-0") / "job.json"
    job = json.loads(path.read_text())
    write_json(path, {k: v for k, v in {**job, "kind": "import"}.items() if k not in {"upstream", "tune"}})
    assert clean(store) == ()


def test_what_a_job_that_never_ran_builds_on_stays(store, written):
    """Only a stored job names its upstream fit; before it has run, all runs of that method may be what it needs."""
    name = "deepfeat-rsf"
    entry = replace(written.entries[0], name=name, fits=(("not-yet",),))
    replace(written, entries=(*written.entries, entry)).write(store.root)
    for key in ("up", "stray"):
        a_run(store, key)
    change_job(store, "up", method=registry().get(name).upstream)
    scratch(store, "maybe-up")
    scratch(store, "stray")
    assert [one.path for one in clean(store)] == ["runs/stray", "scratch/stray"]
    gone = replace(entry, name="of-a-plugin")
    replace(written, entries=(*written.entries, gone)).write(store.root)
    with pytest.raises(BenchError, match="of-a-plugin of study .* is not complete and not installed"):
        clean(store)
    assert disk_use(store).unreferenced is None


@pytest.mark.parametrize("content", ["{", "{}", '{"schema": 1}', "[]", '"a word"'])
def test_a_study_that_cannot_be_read_keeps_everything(bench, store, written, content):
    a_run(store, "stray")
    other = store.root / "studies" / "other"
    other.mkdir()
    (other / "study.json").write_text(content)
    ended = bench("status", "--clean", "--out", store.root)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("Error: It is not known which runs other refers to: ")
    assert str(other / "study.json") in ended.stderr
    assert "stray" in runs(store)


def test_without_a_study_or_in_a_run_nothing_is_removed(bench, store, written):
    a_run(store, "stray")
    with store.lock():
        ended = bench("status", "--clean", "--out", store.root)
    assert ended.returncode == 2
    assert "is in use by process" in ended.stderr
    (written.folder(store.root) / "study.json").unlink()
    ended = bench("status", "--clean", "--out", store.root)
    assert ended.returncode == 2
    assert f"It is not known which runs {written.name} refers to" in ended.stderr
    written.folder(store.root).rmdir()
    ended = bench("status", "--clean", "--out", store.root)
    assert ended.returncode == 2
    assert "There is no study under" in ended.stderr
    assert "stray" in runs(store)
    both = bench("status", "good", "--clean", "--out", store.root)
    assert both.stderr == (
        "Error: --clean removes what no study refers to, of all jobs. Leave out 'good' or --clean.\n"
    )


def test_a_study_that_cannot_be_reached_keeps_its_runs(bench, store, written):
    a_run(store, "stray")
    away = store.root / "studies" / "on-another-disk"
    away.symlink_to(store.root / "not-mounted")
    ended = bench("status", "--clean", "--out", store.root)
    assert ended.returncode == 2
    assert "It is not known which runs on-another-disk refers to" in ended.stderr
    assert "stray" in runs(store)


def test_folders_that_are_not_ours_stay(bench, store, written):
    for name in ("runs/my-notes", "scratch/mine", "runs/.hidden"):
        (store.root / name).mkdir(parents=True)
    a_run(store, "stray")
    ended = bench("status", "--clean", "--out", store.root)
    assert ended.returncode == 0
    assert "stray" not in runs(store)
    assert {"my-notes", ".hidden"} <= set(runs(store))
    assert (store.root / "scratch" / "mine").is_dir()
