"""Rows 9 and 10: MLflow's database and server, and what must not be said of them."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import mlflow_login
import numpy as np
import pytest
from survbench.actions.track import track_if_possible
from survbench.runs.store import Store
from survbench.tracking import failures, mlflow_writer
from survbench.tracking.address import masked, sqlite_file, without_secrets
from survbench.tracking.failures import TrackingError, check_database
from survbench.tracking.mlflow_writer import LEDGER, default_uri, track, ui_command, ui_environment
from survbench.tracking.records import state
from toy_study import method, study

pytestmark = pytest.mark.faults

RUNS = 4
"""Of the toy study in MLflow: its method, and a fit per fold."""
LOGIN = "http://alice:s3cret%2Fpw@127.0.0.1:{port}/?token=t0ken"


def toy(out):
    store = Store(out)
    made = study([method(store, "good", np.linspace(1, 0, 30))], external=False)
    made.write(out)
    return made


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """Return an output folder with a study that is in its database."""
    out = tmp_path_factory.mktemp("tracked") / "out"
    assert track(toy(out), Store(out), out).new == RUNS
    return out


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def runs_in(database):
    """Return how often each run of ours is in an MLflow database, and the states of all."""
    with closing(sqlite3.connect(database)) as connection:
        keys = connection.execute(
            "SELECT value FROM tags JOIN runs USING (run_uuid) "
            "WHERE key = 'survbench.key' AND lifecycle_stage = 'active'"
        )
        counts = Counter(key for (key,) in keys)
        return counts, {state for (state,) in connection.execute("SELECT status FROM runs")}


# --- row 9


def test_row_9_four_processes_on_no_database_all_succeed_and_nothing_is_there_twice(out):
    toy(out)
    command = [sys.executable, "-m", "survbench.cli", "ui", "--only-track", "--out", str(out)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)
    ]
    ended = [(process.communicate(timeout=300)[0], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0, 0, 0, 0], ended
    assert sum(f"{RUNS} new and 0 unchanged" in text for text, _ in ended) == 1
    assert sum(f"0 new and {RUNS} unchanged" in text for text, _ in ended) == 3
    counts, states = runs_in(out / "mlflow.db")
    assert (len(counts), set(counts.values()), states) == (RUNS, {1}, {"FINISHED"})


# --- row 10


def flip(path):
    content = bytearray(path.read_bytes())
    content[4096::4096] = bytes(byte ^ 0xFF for byte in content[4096::4096])
    path.write_bytes(content)


def a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:300_000]), "is damaged: delete it"),
    "a text": (lambda path: path.write_text("a text"), "is damaged: delete it"),
    "a folder": (a_folder, "is a folder, not a database: move it away"),
    "flipped": (flip, "is damaged: delete it"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_row_10_a_damaged_database_is_named_in_a_line(tracked, tmp_path, kind):
    database = tmp_path / "mlflow.db"
    shutil.copyfile(tracked / "mlflow.db", database)
    check_database(database, own=True)
    damage, said = DAMAGE[kind]
    damage(database)
    with pytest.raises(TrackingError) as error:
        check_database(database, own=True)
    assert str(error.value) == f"{database} {said}."


def test_row_10_a_run_goes_on_with_a_damaged_database_which_is_made_again_once(tracked, tmp_path, caplog, capfd):
    out = tmp_path / "out"
    shutil.copytree(tracked, out)
    database, made = out / "mlflow.db", toy(out)
    flip(database)
    track_if_possible(made, out, tracking_uri=None)
    assert caplog.messages == [
        f"MLflow was not updated: {database} is damaged: delete it. Then 'bench ui --only-track' catches up.",
    ]
    assert capfd.readouterr() == ("", "")
    database.unlink()
    caplog.clear()
    track_if_possible(made, out, tracking_uri=None)
    assert not caplog.messages
    assert track(made, Store(out), out, trust_ledger=False).new == 0
    counts, states = runs_in(database)
    assert (len(counts), set(counts.values()), states) == (RUNS, {1}, {"FINISHED"})


def test_row_10_a_database_that_was_deleted_is_made_again_in_spite_of_the_ledger(tracked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(tracked, out)
    made, store = toy(out), Store(out)
    (out / "mlflow.db").unlink()
    (out / LEDGER).write_text(json.dumps({default_uri(out): {made.name: state(made, store, made.folder(out))}}))
    assert track(made, store, out).new == RUNS
    (out / "mlflow.db").unlink()
    with pytest.raises(TrackingError, match="was deleted while MLflow had it open here"):
        track(made, store, out)


def test_row_10_a_locked_database_is_named_and_written_when_it_is_free(tracked, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(tracked, out)
    (out / LEDGER).unlink()
    made = toy(out)
    monkeypatch.setattr(failures, "LOCK_WAIT_S", 0.2)
    with closing(sqlite3.connect(out / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TrackingError, match=r"mlflow.db is locked by another program: close that\.$"):
            track(made, Store(out), out)
    check_database(out / "mlflow.db", own=True)


def test_row_10_a_shared_database_that_is_damaged_is_not_to_be_deleted(out):
    (out / "shared.db").parent.mkdir()
    (out / "shared.db").write_text("a text")
    with pytest.raises(TrackingError, match="damaged: restore it"):
        track(toy(out), Store(out), out, tracking_uri=f"sqlite:///{out / 'shared.db'}")


@contextmanager
def answering(status, body=b"<html>"):
    """Serve one answer to whatever is asked; gives the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815  # the name that the library calls

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, "does not answer: start it, or correct the address"),
        (200, "is not an MLflow server: correct the address"),
        (401, "refuses the login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (404, "is not an MLflow server: correct the address"),
        (500, "has an error of its own: its log says which"),
    ],
)
def test_row_10_a_server_that_fails_is_named_in_a_line_without_the_login(out, caplog, capfd, monkeypatch, status, said):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0p-t0ken")
    made = toy(out)
    with answering(status or 200) as served:
        port = served if status else 9
        with caplog.at_level(logging.DEBUG, logger="survbench"):
            track_if_possible(made, out, tracking_uri=LOGIN.format(port=port))
    (message,) = caplog.messages
    assert message == (
        f"MLflow was not updated: http://127.0.0.1:{port}/ {said}. "
        "Then 'bench ui --only-track' with the same --tracking-uri catches up."
    )
    assert capfd.readouterr() == ("", "")
    assert not (out / LEDGER).exists()


# --- secrets


def secrets_in(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if any(word in path.read_bytes() for word in (b"s3cret", b"t0ken", b"alice"))]


def test_secrets_of_an_address_are_neither_written_nor_reported(out, monkeypatch):
    used = []

    class Server:
        def __init__(self, uri, experiment, *, artifacts):
            used.append(uri)

        def write(self, wanted, methods):
            return len(wanted)

    monkeypatch.setattr(mlflow_writer, "_Projection", Server)
    uri, made = LOGIN.format(port=5000), toy(out)
    report = track(made, Store(out), out, tracking_uri=uri)
    assert used == [uri], "MLflow logs in with them"
    assert report.uri == "http://127.0.0.1:5000/"
    assert list(json.loads((out / LEDGER).read_text())) == [report.uri]
    assert secrets_in(out) == []
    assert track(made, Store(out), out, tracking_uri=uri).new == 0


@pytest.mark.slow
def test_a_server_takes_the_login_of_the_environment_which_is_written_nowhere(out, tmp_path, monkeypatch):
    there = tmp_path / "there"
    there.mkdir()
    command = [sys.executable, "-W", "ignore", mlflow_login.__file__, there, "alice:s3cret"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            uri = f"http://127.0.0.1:{int(server.stdout.readline())}"
            monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "alice")
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
            with pytest.raises(TrackingError, match="refuses the login"):
                track(toy(out), Store(out), out, tracking_uri=uri)
            monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cret")
            assert track(toy(out), Store(out), out, tracking_uri=uri).new == RUNS
        finally:
            server.terminate()
    counts, _ = runs_in(there / "mlflow.db")
    assert len(counts) == RUNS
    assert secrets_in(out) == secrets_in(there) == []


def test_a_ledger_that_an_earlier_version_wrote_with_a_password_loses_it(tracked, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(tracked, out)
    (out / LEDGER).write_text(json.dumps({LOGIN.format(port=5000): {"toy": "x"}}))
    track(toy(out), Store(out), out)
    assert list(json.loads((out / LEDGER).read_text())) == [default_uri(out)]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://alice:pw@host:5000", "http://host:5000"),
        ("https://t0ken@host/mlflow/?token=abc#x", "https://host/mlflow/"),
        ("http://alice:p/w?d#x@host", "http://host"),
        ("http://alice:p@w@host", "http://host"),
        ("postgresql+psycopg://u:p@h:5432/db?password=x", "postgresql+psycopg://h:5432/db"),
        ("mysql://u:p@h/db", "mysql://h/db"),
        ("alice:pw@host:5000", "host:5000"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////data/me@work/mlflow.db", "sqlite:////data/me@work/mlflow.db"),
        ("sqlite+pysqlcipher://:s3cret@//data/x.db", "sqlite+pysqlcipher:////data/x.db"),
        ("sqlite:////data/me@work/x.db?key=s3cret", "sqlite:////data/me@work/x.db"),
        ("file:./mlruns", "file:./mlruns"),
        ("file:///data/me@work/mlruns", "file:///data/me@work/mlruns"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_its_secrets(uri, shown):
    assert without_secrets(uri) == shown
    assert without_secrets(shown) == shown


def test_secrets_are_masked_in_whatever_form_a_library_repeats_them():
    uri = "http://alice:s3cret%2Fpw@host/?token=t0ken"
    text = f"GET {uri} s3cret/pw (alice) Basic YWxpY2U6czNjcmV0L3B3 t0ken t0p; malice"
    shown = masked(text, uri, {"MLFLOW_TRACKING_TOKEN": "t0p"})
    assert shown.startswith("GET http://host/ ")
    assert not [word for word in ("s3cret", "alice", "YWxpY2U6", "t0ken", "t0p") if word in shown]
    assert masked("mad plan", "http://a:p@host", {}) == "mad plan", "single letters are no secrets inside words"


def test_the_command_that_serves_pages_holds_no_address_that_other_users_could_read():
    uri = LOGIN.format(port=1)
    assert not [word for word in ui_command("127.0.0.1", 5000) if "s3cret" in word]
    assert ui_environment(uri)["MLFLOW_BACKEND_STORE_URI"] == uri


def test_the_file_of_an_sqlite_address():
    assert str(sqlite_file("sqlite:////a/b.db")) == "/a/b.db"
    assert str(sqlite_file("sqlite+pysqlite:///b.db?x=1")) == "b.db"
    assert sqlite_file("sqlite://") is sqlite_file("sqlite:///:memory:") is sqlite_file("http://h:1///x") is None
