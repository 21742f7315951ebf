"""``bench cohort ingest`` as a user calls it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest
from dicom_files import write_patient


def test_a_folder_becomes_a_cohort_and_what_could_not_be_read_is_told(bench, tmp_path):
    source, out, table = tmp_path / "dicom", tmp_path / "cohort", tmp_path / "clinical.csv"
    for n in (1, 2):
        write_patient(source, f"HN-700{n}")
    write_patient(source, "HN-7003", region="GTV_Edema")
    table.write_text(
        "id,Name,Days,Dead\n" + "".join(f"HN-700{n},Quillfeather,{100 * n},{n % 2}\n" for n in (1, 2, 3, 4))
    )
    ended = bench("cohort", "ingest", source, "--out", out, "--region", "GTV", "--table", table, "--id", "id")
    assert ended.returncode == 1
    lines = ended.stdout.splitlines()
    assert lines[0] == "Found     9 series of 3 patients"
    assert lines[1].startswith("Failed    HN-7003: No region is named 'GTV'; the nearest names are GTV_Edema. ")
    assert lines[2] == "Left out  Name: contains a name or id from the images"
    assert lines[3] == "Left out  1 row of the table without images"
    assert lines[4] == f"Wrote     2 patients to {out}"
    assert (
        "SB408 warning: ct does not reach from air (-400 HU) to soft tissue (100 HU). Is it a PET? 2 patients: "
        in ended.stdout
    )
    assert "Leak" not in ended.stdout
    assert lines[-1] == f"Next      bench cohort check {out}"
    assert (out / "cohort.yaml").exists()
    assert (tmp_path / "cohort.key").exists()
    again = bench("cohort", "ingest", source, "--out", out, "--region", "GTV*", "--table", table, "--id", "id")
    assert again.returncode == 0, again.stdout
    assert f"Wrote     3 patients to {out}" in again.stdout


def test_options_that_exclude_each_other_are_refused(bench, tmp_path):
    write_patient(tmp_path / "dicom")
    table = tmp_path / "regions.csv"
    table.write_text("Patient,Name GTV\nHN-7001,GTV\n")
    refused = bench("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out", "--regions", table)
    assert refused.returncode == 2
    assert "--regions needs --region-column" in refused.stderr
    ended = bench("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out", "--regions", table, "--region-column", "Name GTV")  # fmt: skip  # noqa: E501
    assert (ended.returncode, ended.stdout.splitlines()[1]) == (0, f"Wrote     1 patient to {tmp_path / 'out'}")


def test_a_patient_whose_header_lacks_the_weight_is_read_once_it_is_given(bench, tmp_path):
    write_patient(tmp_path / "dicom", PatientWeight=None)
    call = ("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out")
    ended = bench(*call)
    assert (ended.returncode, ended.stdout.splitlines()[1]) == (1, "Failed    HN-7001: The PET has no patient weight. Provide the weight in kg.")  # fmt: skip  # noqa: E501
    (tmp_path / "given.csv").write_text("Patient,weight_kg\nhn-7001,60\n")
    ended = bench(*call, "--overrides", tmp_path / "given.csv")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.splitlines()[1] == "Noted     HN-7001: The weight was given."
    (record,) = (tmp_path / "out/records").iterdir()
    suv = json.loads(record.read_text())["suv"]
    assert (suv["weight_kg"], suv["notes"]) == (60, ["The weight was given."])


def test_an_archive_that_is_refused_is_named_and_the_rest_is_read(bench, tmp_path):
    write_patient(tmp_path / "dicom")
    (tmp_path / "dicom/cut.zip").write_bytes(b"PK")
    ended = bench("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[:2] == [
        "Found     3 series of 1 patient",
        "Refused   cut.zip: It is damaged. Copy it again, or unpack it yourself and give ingest the folder.",
    ]
    assert f"Wrote     1 patient to {tmp_path / 'out'}" in ended.stdout


def test_a_table_gives_the_pseudonyms_and_a_leak_ends_with_1(bench, tmp_path):
    write_patient(tmp_path / "dicom", region="Quillfeather GTV")
    call = ("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out", "--region", "Quillfeather GTV", "--pseudonyms")  # fmt: skip  # noqa: E501
    for path in (tmp_path / "map.csv", tmp_path / "out/map.csv"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("Patient,Pseudonym\nhn-7001,A01\n")
    inside = bench(*call, tmp_path / "out/map.csv")
    assert inside.returncode == 2
    assert "Keep it elsewhere: anyone who has it can recover ids" in inside.stderr
    (tmp_path / "out/map.csv").unlink()
    ended = bench(*call, tmp_path / "map.csv")
    assert ended.returncode == 1
    assert (tmp_path / "out/images/A01_PET.nii.gz").exists()
    assert not (tmp_path / "out.key").exists()
    leaks = [line for line in ended.stdout.splitlines() if line.startswith("Leak")]
    told = "holds a value that may identify a patient: PatientName. Do not pass the cohort on."
    assert leaks == [f"Leak      records/A01.json {told}", f"Leak      report.html {told}"]
    assert "Quillfeather" not in ended.stdout


@pytest.fixture
def short():
    """Return a temporary folder with a short name, as sockets in it need."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.mark.faults
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_call_that_is_stopped_leaves_neither_processes_nor_unpacked_files(process, tmp_path, short, sent, code):
    for n in range(10, 18):
        write_patient(tmp_path / "dicom", f"HN-70{n}")
    shutil.make_archive(tmp_path / "study", "zip", tmp_path / "dicom")
    words = ("cohort", "ingest", "study.zip", "--out", "out", "--workers", "1")
    where = {"cwd": tmp_path, "env": os.environ | {"TMPDIR": str(short)}}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background are started without one
    with subprocess.Popen([sys.executable, "-m", "survbench.cli", *words], start_new_session=True, **where) as running:
        while not any(tmp_path.glob("out/records/*.json")):
            assert running.poll() is None
            time.sleep(0.02)
        others = psutil.Process(running.pid).children(recursive=True)
        assert any(short.glob("survbench-ingest-*"))
        os.killpg(running.pid, sent) if sent == signal.SIGINT else running.send_signal(sent)
        assert running.wait(60) == code
    assert psutil.wait_procs(others, 30)[1] == []
    assert not any(short.glob("survbench-ingest-*"))
    ended = process(*words, **where)
    assert ended.returncode == 0, ended.stderr
    wrote = re.search(r"Wrote     (\d) patients? to out, (\d) were there", ended.stdout)
    assert int(wrote[1]) + int(wrote[2]) == 8
    assert int(wrote[2]) >= 1


def test_tables_of_the_hospital_do_not_lie_in_the_cohort(bench, tmp_path):
    write_patient(tmp_path / "dicom")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/clinical.csv").write_text("Patient,Days,Dead\nHN-7001,1,0\n")
    ended = bench("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out", "--table", tmp_path / "out/clinical.csv")  # fmt: skip  # noqa: E501
    assert (ended.returncode, "Keep it elsewhere: anyone who has it can recover ids" in ended.stderr) == (2, True)


def test_files_that_cannot_be_read_are_named(bench, tmp_path):
    where = write_patient(tmp_path / "dicom")
    (where / "empty.dcm").touch()
    ended = bench("cohort", "ingest", tmp_path / "dicom", "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert f"Left out  1 file that cannot be read: {where / 'empty.dcm'}" in ended.stdout.splitlines()
