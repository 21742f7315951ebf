"""Packs that were changed, or that would write elsewhere or fill the disk when they are opened."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace

import pytest
from survbench.actions.build import Built
from survbench.actions.pack import pack_study
from survbench.actions.verify import verify
from survbench.io import packs
from survbench.io.files import json_text
from survbench.io.hashing import digest
from survbench.io.packs import MANIFEST, AlteredPackError, PackError, open_pack
from survbench.io.study_files import BOARD_JSON, BUILT
from survbench.runs.store import Store
from toy_site import FAIR, POOR
from toy_study import method, study
from zip_parts import files_of, written

pytestmark = pytest.mark.faults

PREDICTIONS = "runs/sur-hs-0-0/predictions.parquet"
LINK, DEVICE = 0o120777, 0o020666


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Have packs unpacked to a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Return a pack of a small study."""
    folder = tmp_path_factory.mktemp("packed")
    store = Store(folder / "out")
    of = study([method(store, "radiomics-lasso-cox", FAIR), method(store, "sur-hs", POOR)], external=False)
    of.write(store.root)
    return pack_study(of, store, folder / "a.zip").path


def sealed(files, **changes):
    """Return files with a manifest that fits them, as somebody makes it who knows how."""
    raw = json.loads(files[MANIFEST]) | changes
    raw["files"] = {name: sha256(data) for name, data in files.items() if name != MANIFEST}
    del raw["sha256"]
    return {**files, MANIFEST: json_text({**raw, "sha256": digest(raw)}).encode()}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def flipped(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def entry(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def nothing_is_left(cache):
    return not [path for path in cache.rglob("*") if path.suffix != ".lock" and path.name not in {"survbench", "packs"}]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda files: files | {PREDICTIONS: flipped(files[PREDICTIONS])}, "is not as it was packed"),
        (lambda files: {name: data for name, data in files.items() if name != PREDICTIONS}, "is missing"),
        (lambda files: files | {"runs/other/run.json": b"{}"}, "was added"),
        (lambda files: files | {MANIFEST: flipped(files[MANIFEST].rstrip())}, "cannot be read"),
        (lambda files: files | {MANIFEST: sealed({**files, PREDICTIONS: b""})[MANIFEST]}, "is not as it was packed"),
        (lambda files: {name: data for name, data in files.items() if name != MANIFEST}, "was removed from it"),
    ],
    ids=["a byte", "a file removed", "a file added", "the manifest damaged", "the manifest of another", "no manifest"],
)
def test_a_changed_pack_is_not_opened_and_the_file_is_named(pack, tmp_path, cache, change, what):
    changed = written(tmp_path / "b.zip", change(files_of(pack)))
    with pytest.raises(PackError, match=what) as refused:
        open_pack(changed)
    concerned = {"was added": "runs/other/run.json", "cannot be read": MANIFEST, "was removed from it": MANIFEST}
    assert concerned.get(what, PREDICTIONS) in str(refused.value)
    assert nothing_is_left(cache)
    if isinstance(refused.value, AlteredPackError):
        (difference,) = verify(changed).differences
        assert (difference.path, difference.what) == (changed / concerned.get(what, PREDICTIONS), what)


def test_a_number_that_was_changed_with_all_checksums_does_not_follow_from_the_predictions(pack, tmp_path):
    files, folder = files_of(pack), "studies/toy-smoke-00000000"
    board = json.loads(files[f"{folder}/{BOARD_JSON}"])
    board["rows"][0]["c_index"] = 0.999
    changed = json_text(board).encode()
    built = Built.read(files[f"{folder}/{BUILT}"].decode())
    built = replace(built, files={**built.files, BOARD_JSON: sha256(changed)})
    forged = {**files, f"{folder}/{BOARD_JSON}": changed, f"{folder}/{BUILT}": built.text().encode()}
    (difference,) = verify(written(tmp_path / "b.zip", sealed(forged))).differences
    assert (difference.path.name, difference.what) == (BOARD_JSON, "is not what the stored predictions give")


def test_a_bare_pack_that_claims_to_have_models_lacks_them(pack, tmp_path):
    files = files_of(pack)
    done = "runs/sur-hs-0-0/DONE"
    seal = json.loads(files[done])
    content = {"schema": seal["schema"], "files": {**seal["files"], "model/weights.json": "0" * 64}}
    files[done] = json_text({**content, "sha256": digest(content)}).encode()
    for weights, expected in ((False, []), (True, ["weights.json"])):
        claimed = written(tmp_path / f"{weights}.zip", sealed(files, weights=weights))
        assert [one.path.name for one in verify(claimed).differences] == expected


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_pack_of_which_the_end_is_missing_is_refused(pack, tmp_path, size):
    (tmp_path / "b.zip").write_bytes(pack.read_bytes()[:size])
    with pytest.raises(PackError, match="or it is damaged"):
        verify(tmp_path / "b.zip")


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "a/../x", "/etc/x", "..\\x", "C:\\x", "a\\b", "a//b", "./a", "a\x1b[31m", "x" * 2000]
)
def test_a_name_that_is_none_of_a_pack_is_refused_and_nothing_is_written(pack, tmp_path, cache, name):
    with pytest.raises(PackError, match="leads outside|is not the name of a file"):
        open_pack(written(tmp_path / "b.zip", files_of(pack), (name, b"x")))
    assert nothing_is_left(cache)


def test_a_name_that_is_too_long_for_a_file_system_is_refused_before_anything_is_unpacked(pack, tmp_path, cache):
    with pytest.raises(PackError, match="has a name of more than 255 bytes"):
        open_pack(written(tmp_path / "b.zip", files_of(pack), (f"runs/{'é' * 130}", b"x")))
    assert nothing_is_left(cache)


def test_a_pack_of_a_newer_layout_says_what_to_install(pack, tmp_path):
    files = files_of(pack)
    newer = json.loads(files["MANIFEST.json"]) | {"pack_schema": packs.PACK_SCHEMA + 1}
    with pytest.raises(PackError, match=r"b\.zip: The pack has layout 2.*Install a newer survbench\.$"):
        open_pack(written(tmp_path / "b.zip", files | {"MANIFEST.json": json.dumps(newer).encode()}))


@pytest.mark.parametrize("mode", [LINK, DEVICE])
def test_links_and_devices_are_refused(pack, tmp_path, cache, mode):
    with pytest.raises(PackError, match="is a link or a device"):
        open_pack(written(tmp_path / "b.zip", files_of(pack), (entry("studies/x", mode), b"/etc/passwd")))
    assert nothing_is_left(cache)


@pytest.mark.parametrize("name", ["readme.MD", "README.md/x", "Runs/sur-hs-0-0/job.json"])
def test_names_that_some_systems_take_for_one_are_refused(pack, tmp_path, cache, name):
    with pytest.raises(PackError, match="would be one file"):
        open_pack(written(tmp_path / "b.zip", files_of(pack), (name, b"x")))
    assert nothing_is_left(cache)


def test_a_bomb_is_refused_before_anything_is_unpacked(pack, tmp_path, cache, monkeypatch):
    bomb = written(tmp_path / "b.zip", files_of(pack), ("runs/bomb", bytes(packs.SMALL_BYTES)))
    with pytest.raises(PackError, match="would unpack to more"):
        open_pack(bomb)
    monkeypatch.setattr(packs, "MOST_FILES", 5)
    with pytest.raises(PackError, match="more than 5 files"):
        open_pack(pack)
    assert nothing_is_left(cache)


def test_what_was_changed_after_unpacking_is_unpacked_again(pack):
    folder = open_pack(pack)
    (folder / PREDICTIONS).write_bytes(b"")
    shutil.rmtree(folder / "studies")
    assert open_pack(pack) == folder
    assert verify(pack).differences == ()


def test_a_folder_that_was_unpacked_by_hand_is_compared_with_its_manifest(pack, tmp_path):
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(tmp_path / "by-hand")
    assert verify(tmp_path / "by-hand").differences == ()
    (tmp_path / "by-hand" / "cards" / "methods" / "sur-hs.md").write_text("better")
    assert [one.path.name for one in verify(tmp_path / "by-hand").differences] == ["sur-hs.md"]
