"""Rows 2, 3, 4, 7, 8 and 28 of the fault table: files of ours that are damaged, half written, or on a full disk."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import survbench as sb
from survbench import cli
from survbench.actions.build import altered_files, read_built
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.verify import verify
from survbench.actions.watcher import Silent
from survbench.plan.profile import load_profile
from survbench.runs.store import Store

pytestmark = pytest.mark.faults

METHODS = "clinical-cox,radiomics-rsf,radiomics-deepsurv"
"""Models in JSON, npz and safetensors."""
KEY = re.compile(r"[0-9a-f]{32,64}")
UNCHECKED = re.compile(r"\.lock|tracking\.json|\.?mlflow.*")
"""Files that hold nothing of a result: a lock, and what is in MLflow or was written there."""
NOT_JSON = {
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "a number": b"7",
    "another mapping": b'{"files": {}}',
    "not UTF-8": b"\xff\xfe{}",
    "nested deeply": b"[" * 200_000,
}
"""What stands in a file of JSON instead of what was written; beside it, the first half of what was written."""


@pytest.fixture(scope="module")
def ran(prepared, tmp_path_factory):
    """Return the output folder of a small run, with MLflow."""
    out = prepared(tmp_path_factory.mktemp("stored") / "out")
    sb.run(METHODS, profile="smoke", out=out, workers=2)
    return out


@pytest.fixture
def copy(ran, tmp_path):
    """Return a copy of the run that a test may damage."""
    return shutil.copytree(ran, tmp_path / "out")


def one_of_each_kind(out):
    """Return a file of every kind that lies below an output folder."""
    kinds = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        kinds.setdefault(re.sub(r"/[0-9a-f]{2}/", "/", KEY.sub("KEY", str(path.relative_to(out)))), path)
    return kinds


def study_folder(out):
    (folder,) = (out / "studies").iterdir()
    return folder


def flipped(content, at):
    """Return bytes of which one, at a share ``at`` of the length, is another."""
    data = bytearray(content)
    data[round(at * (len(data) - 1))] ^= 1
    return bytes(data)


def again(out, methods=METHODS):
    return run_study(Request(profile=load_profile("smoke"), methods=methods, out=out, workers=1), Silent())


def bench(capsys, *arguments):
    """Return the exit code of a command in this process and what it printed; a traceback fails the test."""
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["bench", *map(str, arguments)])
        patch.setattr(logging.getLogger(), "handlers", [])  # so that warnings go to where this prints
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return code, printed.out, printed.err


def test_row_28_a_board_that_is_as_it_was_built_passes(ran, capsys):
    code, out, _ = bench(capsys, "study", "verify", "--out", ran)
    assert (code, out.splitlines()[-1].endswith("nothing differs.")) == (0, True)
    listed = subprocess.run(["sha256sum", "--check", "--quiet", "built.sha256"], cwd=study_folder(ran), check=False)
    assert listed.returncode == 0


@pytest.mark.parametrize("at", [0.02, 0.5, 0.99, None])
def test_row_3_verify_names_every_file_of_which_one_byte_is_another_or_the_end_is_missing(copy, at):
    kinds = {kind: path for kind, path in one_of_each_kind(copy).items() if not UNCHECKED.match(kind)}
    assert len(kinds) > 40
    suffixes = {path.suffix for path in kinds.values()}
    assert suffixes >= {".json", ".parquet", ".safetensors", ".npz", ".npy", ".html", ".csv"}
    lists = {path for path in kinds.values() if path.name in {"DONE", "built.sha256"}}
    study = {study_folder(copy) / "study.json"}
    missed = []
    # what lists other files, and what says which runs there are, hides them where it is damaged
    for paths in (set(kinds.values()) - lists - study, lists, study):
        before = {path: path.read_bytes() for path in paths}
        for path, content in before.items():
            path.write_bytes(
                content[: len(content) // 2] if at is None and content else flipped(content or b"x", at or 0)
            )
        named = {one.path for one in verify(copy).differences}
        missed += [str(path) for path in paths if not {path, path.with_suffix(".json"), path.parent} & named]
        for path, content in before.items():
            path.write_bytes(content)
    assert missed == []


@pytest.mark.parametrize("at", [0.0, 0.31, 0.77, 1.0])
def test_row_28_every_file_of_a_board_is_compared_wherever_a_byte_is_changed(ran, at):
    folder = study_folder(ran)
    files = [folder / name for name in read_built(folder).files]
    assert {"leaderboard.json", "leaderboard.csv", "leaderboard.tex", "leaderboard.html", "leaderboard.md"} <= {
        path.name for path in files
    }
    for path in [*files, folder / "built.sha256"]:
        content = path.read_bytes()
        path.write_bytes(flipped(content, at))
        assert path in altered_files(folder)
        path.unlink()
        assert path in altered_files(folder)
        path.write_bytes(content)
    assert altered_files(folder) == []


def test_row_28_a_run_with_nothing_to_do_never_shows_a_number_that_was_changed(copy, capsys):
    folder = study_folder(copy)
    before = {path: path.read_bytes() for path in folder.glob("leaderboard.*")}
    board = json.loads(before[folder / "leaderboard.json"])
    board["rows"][0]["c_index"] = 0.999
    (folder / "leaderboard.json").write_text(json.dumps(board))
    with pytest.raises(sb.BenchError, match=r"leaderboard\.json was changed after it was built.*bench study board"):
        sb.load_study(copy)
    code, out, err = bench(capsys, "run", "--methods", METHODS, "--profile", "smoke", "--out", copy)
    assert code == 0
    assert "0.999" not in out
    assert len(re.findall("leaderboard.json is missing or not as it was built", err)) == 1
    assert {path: path.read_bytes() for path in folder.glob("leaderboard.*")} == before


def test_row_28_mlflow_never_gets_a_board_that_was_changed(copy, capsys):
    path = study_folder(copy) / "leaderboard.json"
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"c_index": 0.', b'"c_index": 1.'))
    code, _, err = bench(capsys, "ui", "--only-track", "--out", copy)
    assert (code, "leaderboard.json is missing or not as it was built" in err) == (0, True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["leaderboard.csv", "leaderboard.html", "tables/table-1.md", "site/index.html"])
def test_row_28_a_cut_or_removed_file_of_a_board_is_named_and_built_again(copy, caplog, name):
    path = study_folder(copy) / name
    before = path.read_bytes()
    path.write_bytes(before[:100])
    again(copy)
    assert f"{name} is missing or not as it was built" in caplog.text
    assert path.read_bytes() == before
    path.unlink()
    again(copy)
    assert path.read_bytes() == before


@pytest.mark.parametrize("what", [*NOT_JSON, "truncated"])
def test_row_3_json_of_ours_with_other_content_ends_no_command_in_a_traceback_and_a_run_heals_it(ran, copy, capsys, what):  # fmt: skip  # noqa: E501
    kinds = {kind: path for kind, path in one_of_each_kind(copy).items() if path.suffix in {".json", ".sha256", ""}}
    names = {path.name for path in kinds.values()}
    assert names >= {"leaderboard.json", "run.json", "job.json", "DONE", "built.sha256", "tracking.json", "inputs.json"}

    def damage(paths):
        for path in paths:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if what == "truncated" else NOT_JSON[what])

    study = study_folder(copy) / "study.json"
    damage(path for path in kinds.values() if path not in {study, copy / ".lock"})
    for command in (("status",), ("compare", "clinical-cox", "radiomics-rsf"), ("status", "clinical-cox")):
        assert bench(capsys, *command, "--out", copy)[0] in {0, 2}
    assert verify(copy).differences
    damage([study])
    for command in (("status",), ("study", "board"), ("status", "--clean"), ("ui", "--only-track")):
        assert bench(capsys, *command, "--out", copy)[0] in {0, 2}
    code, out, err = bench(capsys, "run", "--methods", METHODS, "--profile", "smoke", "--out", copy, "--json")
    assert code == 0
    assert "study.json cannot be read" in err
    assert {row["method"] for row in json.loads(out)["rows"]} == set(METHODS.split(","))
    # a run does not look at models, and the cache is prepared again where it is needed
    left = [
        one.path for one in verify(copy).differences if not {"model", "cache"} & set(one.path.relative_to(copy).parts)
    ]
    assert left == []


@pytest.mark.parametrize("name", ["study.json", "built.sha256", "run.json", "job.json", "DONE", "log.txt"])
def test_row_3_a_pipe_in_place_of_a_file_of_ours_is_named_and_never_waited_for(copy, capsys, name):
    path = next(copy.rglob(name))
    path.unlink()
    os.mkfifo(path)
    for command in (("status",), ("status", "clinical-cox"), ("study", "verify")):
        assert bench(capsys, *command, "--out", copy)[0] in {0, 1}
    assert path.name in {one.path.name for one in verify(copy).differences}


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.write_text("no")]
)
def test_row_28_a_file_that_holds_no_key_is_refused_and_the_board_stays(copy, capsys, tmp_path, make):
    key = tmp_path / "key"
    make(key)
    code, _, err = bench(capsys, "study", "board", "--out", copy, "--pseudonyms", key)
    assert (code, str(key) in err) == (2, True)
    assert not altered_files(study_folder(copy))


def test_row_3_one_damaged_study_beside_a_good_one_is_named_and_left_out(copy, capsys):
    bad = study_folder(copy).with_name("bad")
    bad.mkdir()
    (bad / "study.json").write_bytes(b"[]")
    os.utime(bad / "study.json", (0, 0))
    for command in (("status",), ("study", "board"), ("ui", "--only-track")):
        code, out, err = bench(capsys, *command, "--out", copy)
        assert code == 0
        assert "bad/study.json cannot be read" in err
        assert "phantom-smoke" in out


def test_row_28_a_prediction_that_was_changed_is_named_by_whatever_reads_it(copy, capsys):
    path = next(path for path in copy.glob("runs/*/predictions.parquet") if "clinical-cox" in (path.parent / "job.json").read_text())  # fmt: skip  # noqa: E501
    path.write_bytes(flipped(path.read_bytes(), 0.5))
    for command in (("compare", "clinical-cox", "radiomics-rsf"), ("study", "board"), ("ui", "--only-track")):
        _, out, err = bench(capsys, *command, "--out", copy)
        assert str(path) in out + err
    code, out, _ = bench(capsys, "study", "verify", "--out", copy, "--json")
    assert (code, str(path) in {one["path"] for one in json.loads(out)["differences"]}) == (1, True)


def test_row_2_what_killed_writers_left_is_shown_and_cleared(copy, capsys):
    part = copy / "cache" / "volumes" / "ab" / "abc.npy.77.part"
    part.parent.mkdir(exist_ok=True)
    scratch = copy / "scratch" / "deadbeef"
    scratch.mkdir(parents=True)
    (scratch / "checkpoint").write_bytes(b"0" * 5000)
    part.write_bytes(b"0" * 5000)
    assert "10.0 kB left over" in bench(capsys, "status", "--out", copy)[1]
    again(copy)
    assert not part.exists()
    part.write_bytes(b"")
    code, out, _ = bench(capsys, "status", "--clean", "--out", copy)
    assert (code, "scratch/deadbeef" in out, "abc.npy.77.part" in out) == (0, True, True)
    assert not part.exists()
    assert not scratch.exists()


def on_a_small_disk(folder, kilobytes, script):
    """Run a shell script where ``$DISK`` is a file system of this size; skip where none may be mounted."""
    text = f'mount -t tmpfs -o size={kilobytes}k none "$DISK" || exit 77\n{script}'
    folder.mkdir()
    ended = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", text],
        env=os.environ | {"DISK": str(folder), "BENCH": f"{sys.executable} -m survbench.cli"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if ended.returncode in {77, 1} and ("unshare" in ended.stderr or "mount" in ended.stderr):
        pytest.skip(f"no file system may be mounted here: {ended.stderr.strip()}")
    return ended


def test_row_4_a_disk_that_is_full_from_the_start_names_path_and_bytes(tmp_path):
    run = '$BENCH run --methods clinical-cox --profile smoke --out "$DISK/out"'
    ended = on_a_small_disk(tmp_path / "disk", 8, f'{run}; mount -o remount,size=100m "$DISK"; {run} && echo whole')
    assert "Traceback" not in ended.stderr
    assert re.search(r"[\d,]+ bytes cannot be written \(No space left on device\)", ended.stderr)
    assert str(tmp_path / "disk") in ended.stderr
    assert "free space on that disk" in ended.stderr.lower()
    assert "memory" not in ended.stderr
    assert ended.stdout.endswith("whole\n")


@pytest.mark.parametrize("bare", [OSError(28, "No space left on device"), RuntimeError("I/O error: No space left on device (os error 28)")])  # fmt: skip  # noqa: E501
def test_row_4_an_error_that_names_no_path_gets_that_of_the_run_and_the_free_bytes(tmp_path, bare):
    store = Store(tmp_path)
    with pytest.raises(OSError, match=rf"The disk is full: [\d,]+ bytes are free.*{tmp_path}/runs/key"), store.writing("key"):  # fmt: skip  # noqa: E501
        raise bare
    assert list((tmp_path / "runs").iterdir()) == []


def test_row_4_a_board_on_a_full_disk_is_named_and_built_again_later(copy, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    arguments = ("study", "board", "--out", copy)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        code, _, err = bench(capsys, *arguments)
    assert code == 1
    assert f"({study_folder(copy)})" in err
    assert "Free space on that disk" in err
    assert bench(capsys, *arguments)[0] == 0
    assert verify(copy).differences == ()


def test_row_4_mlflow_on_a_full_disk_ends_no_run_and_says_which_disk(copy, monkeypatch, caplog):
    from survbench.actions.track import track_if_possible
    from survbench.tracking import mlflow_writer

    def full(*_, **__):
        raise RuntimeError("(sqlite3.OperationalError) database or disk is full [SQL: INSERT ...]")

    monkeypatch.setattr(mlflow_writer, "_Projection", full)
    result = again(copy)
    (copy / "tracking.json").unlink()
    track_if_possible(result.study, copy, tracking_uri=None)
    assert re.search(rf"The disk is full: [\d,]+ bytes are free in {copy}", caplog.text)
    assert "SQL" not in caplog.text


HOLD = """
import sys, time
from pathlib import Path
from survbench.io.holding import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_row_8_a_second_process_is_told_who_holds_the_folder_and_takes_over_from_a_dead_one(copy, capsys):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, copy], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        for command in (("run", "--profile", "smoke"), ("study", "board"), ("study", "verify"), ("status", "--clean")):
            code, _, err = bench(capsys, *command, "--out", copy)
            assert (code, f"in use by process {holder.pid}" in err) == (2, True)
        (copy / ".holder").write_bytes(b"\xff\xfe")
        code, _, err = bench(capsys, "study", "board", "--out", copy)
        assert (code, "in use by process" in err) == (2, True)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    assert bench(capsys, "study", "board", "--out", copy)[0] == 0


def test_row_7_a_trial_that_is_torn_or_damaged_anywhere_changes_no_search(tmp_path, caplog):
    from survbench.space import Real
    from survbench.work.search import Search
    from survbench.work.trials import Trials

    def score(params, report):
        report(0, 0.0)
        return -((params.get("x", 0.5) - 0.3) ** 2)

    kept = Trials(tmp_path, "search")
    search = Search(objective=score, space={"x": Real(0.0, 1.0)}, trials=6, batch=2, seed=1, kept=kept)
    whole = search.run()
    (path,) = tmp_path.rglob("trial-3.json")
    content = path.read_bytes()
    for number in range(25):
        path.write_bytes(flipped(content, number / 24) if number % 2 else content[: len(content) * number // 25])
        caplog.clear()
        assert search.run() == whole
        assert f"{path} cannot be read" in caplog.text
        assert path.read_bytes() == content
