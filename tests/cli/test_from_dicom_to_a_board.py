"""From a hospital's export to a board, by the commands of the how-to, without a trace of who the patients are."""

from __future__ import annotations

import gzip
import io
import re
import shlex
import sqlite3
import unicodedata
import zipfile
from contextlib import closing
from pathlib import Path

import dicom_study
import pytest
import yaml

PAGE = Path(__file__).parents[2] / "docs/how-to/from-dicom-to-a-board.md"
BLOCK = re.compile(r"^```(sh|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
READABLE = re.compile(rb"[\x20-\x7e]{5,}")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def followed(process, tmp_path_factory):
    """Return the folder in which a user followed the page, and what each command printed."""
    folder = tmp_path_factory.mktemp("hospital")
    dicom_study.write_study(folder / "export")
    printed = {}
    for kind, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "yaml":
            for cohort in ("zurich", "basel"):
                fill_in(folder / cohort / "cohort.yaml", block)
            continue
        for line in block.replace("\\\n", "").splitlines():
            ended = process(*shlex.split(line)[1:], cwd=folder)
            assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
            printed[line] = ended.stdout + ended.stderr
    return folder, printed


def fill_in(card, block):
    """Put the keys of a block in the place of those of a draft, each of which it has."""
    draft, keys = yaml.safe_load(card.read_text(encoding="utf-8")), yaml.safe_load(block)
    assert keys.keys() <= draft.keys()
    assert "TODO" in str(draft["endpoint"])
    assert [one["column"] for one in keys["clinical"]] == [one["column"] for one in draft["clinical"]]
    card.write_text(yaml.safe_dump(draft | keys, allow_unicode=True), encoding="utf-8")


def contents(path):
    """Yield all that a file holds, packed and unpacked."""
    content = path.read_bytes()
    yield content
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode() + archive.read(name)
    if content.startswith(b"SQLite format 3"):
        with closing(sqlite3.connect(path)) as database:
            yield "\n".join(database.iterdump()).encode()


def text_of(content):
    """Return the text in a content, in lower case and without accents: all of it, or what can be read in binary data.

    Without zero bytes, text of two bytes a letter can be read too.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\n".join(run.decode("ascii") for run in READABLE.findall(content.replace(b"\0", b"")))
    return unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore")


def found_in(folder, values):
    """Return the values that stand in names or contents of the files in a folder, by file."""
    search = dicom_study.pattern(values)
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        for content in (name.encode(), *contents(path)):
            if hits := search.findall(text_of(content)):
                found.setdefault(name, set()).update(hits)
    return found


def test_the_page_leads_to_a_board(followed):
    folder, printed = followed
    ingested = [text for line, text in printed.items() if " ingest " in line]
    assert ["Wrote     12 patients" in ingested[0], "Wrote     8 patients" in ingested[1]] == [True, True]
    assert "Left out  Geburtsdatum" in ingested[0]
    (board,) = folder.glob("results/studies/*/leaderboard.csv")
    text = board.read_text(encoding="utf-8")
    assert all(method in text for method in ("volume", "clinical-cox", "mdsn"))
    assert (board.parent / "site/index.html").exists()


@pytest.mark.faults
def test_row_17_no_value_that_identifies_a_patient_is_in_any_file_that_comes_out(followed):
    folder, _ = followed
    values = dicom_study.planted()
    assert len(found_in(folder / "export", values)) > 800  # the search finds what is there
    databases = list(folder.rglob("mlflow.db"))
    assert databases
    for output in ("zurich", "basel", "results"):
        assert found_in(folder / output, values) == {}, output
    assert not dicom_study.pattern(values).search((folder / "study.key").read_bytes().lower())


def test_what_scans_had_to_be_resampled_is_said_and_stands_in_their_records(followed):
    folder, printed = followed
    noted = [line for text in printed.values() for line in text.splitlines() if line.startswith("Noted")]
    assert len(noted) == 2
    assert noted[1].startswith("Noted     ZUP-70364")
    assert noted[1].endswith("CT: the gantry was tilted by 14.0 degrees: resampled to a rectangular grid.")
    notes = [path.read_text(encoding="utf-8") for path in (folder / "zurich/records").glob("*.json")]
    assert sum("the gantry was tilted by 14.0 degrees" in text for text in notes) == 1
    assert sum("CT: slices are" in text for text in notes) == 1
