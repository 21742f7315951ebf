"""Row 15: archives that would write elsewhere, or fill the disk; and links in them (row 14)."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dicom_files import write_patient
from survbench.actions import foreign
from survbench.actions.ingest import ingest
from survbench.datasets.dicom.patient import Request
from survbench.datasets.ingest import archives
from survbench.datasets.ingest.archives import Archive, unpack
from survbench.datasets.ingest.pseudonyms import by_key
from survbench.errors import BenchError
from survbench.io.holding import held

pytestmark = pytest.mark.faults

KEY = bytes(32)


def member(name, content=b"x", **more):
    """Return a file of a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def write_tar(path, *members):
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path, *members):
    """Write (name or mode and name, content)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name if isinstance(name, str) else name[1])
            info.compress_type = zipfile.ZIP_DEFLATED
            if not isinstance(name, str):
                info.create_system, info.external_attr = 3, name[0] << 16
            archive.writestr(info, content)
    return path


def unpacked(tmp_path, archive):
    """Return why an archive is refused, and what it has left in its folder; elsewhere it may leave nothing."""
    before = set(tmp_path.rglob("*"))
    why = unpack(Archive(archive, tmp_path / "here/out"))
    made = set(tmp_path.rglob("*")) - before - {tmp_path / "here"}
    assert all(p.is_relative_to(tmp_path / "here/out") for p in made)
    return why, sorted(p.read_bytes() for p in made if p.is_file())


LINK, DEVICE = 0o120777, 0o020666


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a/../x", "/etc/x", "..\\x", "C:\\x", "\\\\server\\x"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_row_15_names_that_lead_outside_are_refused_with_the_archive(tmp_path, kind, name):
    path = tmp_path / f"a.{kind}"
    good = ("good", b"x")
    archive = write_zip(path, good, (name, b"y")) if kind == "zip" else write_tar(path, member(*good), member(name))
    why, left = unpacked(tmp_path, archive)
    assert "leads outside" in why
    assert not left


def test_row_14_links_and_devices_in_archives_are_not_made(tmp_path):
    bad = {
        "absolute": member("l", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "up": member("a/l", b"", type=tarfile.SYMTYPE, linkname="../../x"),
        "hard": member("a/l", b"", type=tarfile.LNKTYPE, linkname="../x"),
        "device": member("d", b"", type=tarfile.CHRTYPE),
        "pipe": member("p", b"", type=tarfile.FIFOTYPE),
    }
    for name, one in bad.items():
        why, left = unpacked(tmp_path, write_tar(tmp_path / f"{name}.tar", member("a"), one))
        assert "Do not use it" in why, name
        assert not left
    for name, mode in (("link", LINK), ("device", DEVICE)):
        why, left = unpacked(tmp_path, write_zip(tmp_path / f"{name}.zip", ((mode, "l"), b"/etc/passwd")))
        assert "Do not use it" in why, name
        assert not left


def test_row_14_links_within_an_archive_are_passed_over(tmp_path):
    inside = member("a/l", b"", type=tarfile.SYMTYPE, linkname="../b/f")
    assert unpacked(tmp_path, write_tar(tmp_path / "a.tar", member("b/f"), inside)) == (None, [b"x"])


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_row_15_a_thousand_bytes_for_one_are_refused_before_the_disk_is_full(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    content = bytes(300 * 10**6)
    archive = write_zip(path, ("a", content)) if kind == "zip" else write_tar(path, member("a", content))
    assert archive.stat().st_size < 10**6
    assert "times its size" in unpacked(tmp_path, archive)[0]


def test_row_15_a_zip_that_lies_about_its_size_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", ("a", bytes(10**6)))
    content = path.read_bytes()
    place = content.rfind(b"PK\x01\x02") + 24
    path.write_bytes(content[:place] + (1000).to_bytes(4, "little") + content[place + 4 :])
    assert "damaged" in unpacked(tmp_path, path)[0]


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_row_15_too_many_entries_are_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archives, "MOST_ENTRIES", 100)
    names = [f"f{n}" for n in range(101)]
    path = tmp_path / f"a.{kind}"
    one = write_zip(path, *((n, b"") for n in names)) if kind == "zip" else write_tar(path, *(member(n) for n in names))
    why, left = unpacked(tmp_path, one)
    assert "more than 100 files" in why
    assert not left


def test_row_15_a_header_of_a_tar_that_declares_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "a.tar"
    long = tarfile.TarInfo("x")
    long.type, long.size = tarfile.XHDTYPE, 2**31
    with path.open("wb") as stream:
        stream.write(long.tobuf(tarfile.USTAR_FORMAT))
        stream.truncate(2**31 + 2048)
    assert "header of" in unpacked(tmp_path, path)[0]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_row_15_damaged_archives_are_refused_as_a_whole(tmp_path, kind, damage):
    path = tmp_path / f"a.{kind}"
    parts = [("a", os.urandom(4000)), ("b", os.urandom(4000))]
    write_zip(path, *parts) if kind == "zip" else write_tar(path, *(member(*p) for p in parts))
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    elif kind == "tar":
        content[0] ^= 1  # the name, which the header's checksum covers; a tar has none over its files
    else:
        content[1000] ^= 1
    path.write_bytes(bytes(content))
    why, left = unpacked(tmp_path, path)
    assert "damaged" in why
    assert not left


def pack(source, archive):
    """Put a folder into an archive."""
    files = [p for p in source.rglob("*") if p.is_file()]
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for path in files:
                out.write(path, path.relative_to(source))
    else:
        with tarfile.open(archive, "w:gz") as out:
            for path in files:
                out.add(path, str(path.relative_to(source)))


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Return the folder that temporary folders are made in."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(foreign, "TemporaryDirectory", partial(TemporaryDirectory, dir=folder))
    return folder


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_an_archive_is_ingested_as_its_folder_is_and_leaves_nothing_behind(tmp_path, scratch, suffix):
    write_patient(tmp_path / "dicom", "HN-7001")
    pack(tmp_path / "dicom", tmp_path / f"study{suffix}")
    plain = ingest(tmp_path / "dicom", tmp_path / "plain", request=Request(), naming=by_key(KEY))
    done = ingest(tmp_path / f"study{suffix}", tmp_path / "packed", request=Request(), naming=by_key(KEY))
    assert done.written == plain.written != ()
    assert [*scratch.iterdir()] == []
    for path in (p for p in (tmp_path / "plain/images").iterdir()):
        assert path.read_bytes() == (tmp_path / "packed/images" / path.name).read_bytes()
    again = ingest(tmp_path / f"study{suffix}", tmp_path / "packed", request=Request(), naming=by_key(KEY))
    assert (again.written, again.kept) == ((), done.written)


def test_one_archive_that_is_refused_stops_no_other_in_the_folder(tmp_path, scratch):
    source = tmp_path / "hospital"
    write_patient(tmp_path / "one", "HN-7001")
    write_patient(source / "two", "HN-7002")
    pack(tmp_path / "one", source / "one.zip")
    (source / "deep").mkdir()
    write_tar(source / "deep/evil.tar.gz", member("../x"))
    done = ingest(source, tmp_path / "cohort", request=Request(), naming=by_key(KEY))
    assert len(done.written) == 2
    assert [*done.refused] == ["deep/evil.tar.gz"]
    assert done.contents.others == 0
    assert [*scratch.iterdir()] == []


def test_a_source_that_is_refused_or_no_archive_is_an_error_and_leaves_nothing_behind(tmp_path, scratch, monkeypatch):
    write_tar(tmp_path / "evil.tar", member("../x"))
    with pytest.raises(BenchError, match=r"evil\.tar is not unpacked\. Its entry '\.\./x' leads outside"):
        ingest(tmp_path / "evil.tar", tmp_path / "cohort", request=Request(), naming=by_key(KEY))
    (tmp_path / "a.7z").write_bytes(b"7z")
    with pytest.raises(BenchError, match="neither a folder nor an archive"):
        ingest(tmp_path / "a.7z", tmp_path / "cohort", request=Request(), naming=by_key(KEY))
    write_zip(tmp_path / "slow.zip", ("a", os.urandom(10**6)))
    monkeypatch.setattr(foreign, "UNPACK_S", 1e-6)
    with pytest.raises(BenchError, match="Unpack it yourself"):
        ingest(tmp_path / "slow.zip", tmp_path / "cohort", request=Request(), naming=by_key(KEY))
    assert [*scratch.iterdir()] == []
    assert not Path(tmp_path / "cohort").exists()


def test_row_15_what_a_killed_call_has_unpacked_is_removed_by_the_next_one_and_nothing_else(
    tmp_path, scratch, monkeypatch
):
    monkeypatch.setattr(foreign, "gettempdir", lambda: str(scratch))
    write_patient(tmp_path / "dicom", "HN-7001")
    pack(tmp_path / "dicom", tmp_path / "study.zip")
    kept = ["survbench-ingest-new", "survbench-ingest-held", "somebody-else"]
    for name in (*kept, "survbench-ingest-killed"):
        (scratch / name).mkdir()
        (scratch / name / "000001").write_text("a patient's")
    with held(scratch / "survbench-ingest-held"):
        for name in (*kept[1:], "survbench-ingest-killed"):
            os.utime(scratch / name, (0, 0))
        ingest(tmp_path / "study.zip", tmp_path / "cohort", request=Request(), naming=by_key(KEY))
    assert sorted(path.name for path in scratch.iterdir()) == sorted(kept)
