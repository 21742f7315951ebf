"""Rows 11, 12, 14, 16, 19 and 20 of files and tables that are damaged, hostile or wrong."""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import pickle
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from cohort_folder import AFFINE, CARD, change, lines, put, read, write_cohort, write_image, write_lines
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cohorts.usable import read_cohort
from survbench.datasets.cohorts.validate import validate_named
from survbench.errors import BenchError
from survbench.findings import CohortError
from survbench.models.engine.checkpoint import read_checkpoint

pytestmark = pytest.mark.faults


@pytest.fixture
def folder(tmp_path):
    return write_cohort(tmp_path / "toy")


def codes(folder, subject):
    """Return the codes of the errors of a patient."""
    return {f.code for f in validate_named(str(folder)).findings if f.subject == subject and f.severity == "error"}


# --- row 11


def cut(content):
    return content[: int(len(content) * 0.999)]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped])
def test_row_11_a_volume_that_was_cut_or_changed_is_named_and_the_others_are_read(folder, damage):
    path = folder / "images/P03_pet.nii.gz"
    path.write_bytes(damage(path.read_bytes()))
    assert codes(folder, "P03") == {"SB402"}
    assert {f.subject for f in validate_named(str(folder)).findings if f.severity == "error"} == {"P03"}
    kept = read(folder, skip_bad=True).cohort
    with pytest.raises(BenchError, match="P03_pet"):
        for subject in kept.subjects:
            subject.volumes["pet"].voxels()


def test_row_11_an_unpacked_volume_without_its_last_bytes_is_named_by_its_size(folder):
    (folder / "cohort.yaml").write_text(CARD.replace("_pet.nii.gz", "_pet.nii"))
    for path in (folder / "images").glob("*_pet.nii.gz"):
        content = gzip.decompress(path.read_bytes())
        path.with_suffix("").write_bytes(cut(content) if "P03" in path.name else content)
    assert codes(folder, "P03") == {"SB402"}
    assert len(read(folder, skip_bad=True).cohort.subjects) == 11


# --- row 12

INSIDE = np.s_[7:9, 7:9, 7:9]


@pytest.mark.parametrize(
    ("file", "function", "dtype"),
    [
        ("P03_pet", put(INSIDE, np.nan), np.float32),
        ("P03_pet", put(INSIDE, np.inf), np.float32),
        ("P03_pet", lambda v: 0 * v + 3, np.float32),
        ("P03_ct", lambda v: 0 * v + 3, np.int16),
        ("P03_mask", lambda v: 0 * v, np.uint8),
        ("P03_mask", lambda v: 0 * v + 1, np.uint8),
        ("P03_pet", lambda v: 1e6 * v, np.float32),
        ("P03_ct", lambda v: 100 * v, np.int32),
    ],
    ids=["NaN", "infinite", "constant PET", "constant CT", "no mask", "full mask", "no SUV", "no HU"],
)
def test_row_12_voxels_that_cannot_be_are_named_by_patient(folder, file, function, dtype):
    change(folder, file, function, dtype)
    assert "P03" in {f.subject for f in validate_named(str(folder)).findings}


def test_row_12_a_mask_of_one_voxel_or_on_another_grid_is_named(folder):
    change(folder, "P02_mask", lambda v: np.arange(v.size).reshape(v.shape) == v.size // 2, np.uint8)
    moved = AFFINE.copy()
    moved[:3, 3] = 1.7
    write_image(folder / "images/P03_mask.nii.gz", np.ones((16, 16, 16), np.uint8), moved)
    found = {(f.subject, f.code) for f in validate_named(str(folder)).findings}
    assert "P02" in {subject for subject, _ in found}
    assert ("P03", "SB403") in found


def test_row_12_pet_and_ct_that_changed_places_are_named(folder):
    pet, ct, other = (folder / f"images/P03_{name}.nii.gz" for name in ("pet", "ct", "x"))
    pet.rename(other)
    ct.rename(pet)
    other.rename(ct)
    assert codes(folder, "P03")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_row_12_no_voxel_that_is_not_finite_reaches_a_model(folder, bad):
    change(folder, "P03_pet", put(INSIDE, bad))
    with pytest.raises(BenchError, match="P03_pet"):
        read(folder).cohort.subjects[3].volumes["pet"].voxels()


# --- row 14


@pytest.mark.parametrize(
    "header",
    [
        b"NRRD0004\ndimension: 3\nsizes: 4 4 4\ntype: short\ndata file: ../secret.raw\n\n",
        b"ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_SHORT\nElementDataFile = /etc/passwd\n",
    ],
    ids=["NRRD", "MetaImage"],
)
def test_row_14_headers_that_refer_to_other_files_are_refused(folder, header):
    (folder / "images/P03_ct.nii.gz").write_bytes(header)
    assert codes(folder, "P03") == {"SB402"}


def test_row_14_a_nifti_header_without_its_voxels_is_refused(folder):
    path = folder / "images/P03_ct.nii.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[344:348] = b"ni1\0"
    path.write_bytes(gzip.compress(bytes(content)))
    assert codes(folder, "P03") == {"SB402"}


@pytest.mark.parametrize("table", ["../clinical.csv", "/etc/passwd", "a/../../clinical.csv"])
@pytest.mark.parametrize("key", ["table: {}", 'features: {{table: "{}"}}'], ids=["table", "features"])
def test_row_14_tables_and_images_outside_the_folder_are_refused(folder, key, table):
    (folder.parent / "clinical.csv").write_bytes((folder / "clinical.csv").read_bytes())
    card = parse_card(CARD + key.format(table), source="card")
    with pytest.raises(BenchError, match="lies outside the cohort's folder"):
        read_cohort(card, folder)


@pytest.mark.parametrize("pattern", ["../{id}.nii.gz", "/etc/{id}", "images/../../{id}.nii.gz"])
def test_row_14_patterns_that_lead_outside_are_refused(folder, pattern):
    card = parse_card(CARD.replace("images/{id}_ct.nii.gz", pattern), source="card")
    with pytest.raises(CohortError, match="Patterns lead out of the cohort's folder"):
        read_cohort(card, folder)


def test_row_14_links_in_a_folder_that_the_user_names_are_followed_and_counted(folder):
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    for name in ("P01_ct", "P02_ct"):
        (folder / f"images/{name}.nii.gz").rename(outside / name)
        (folder / f"images/{name}.nii.gz").symlink_to(outside / name)
    (found,) = (f for f in validate_named(str(folder)).findings if f.code == "SB417")
    assert found.what.startswith("2 of 36 files")


# --- row 16


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, canary):
        self.canary = str(canary)

    def __reduce__(self):
        return Path.touch, (Path(self.canary),)


def test_row_16_a_checkpoint_that_would_run_code_is_none_and_is_named(tmp_path, caplog):
    buffer = io.BytesIO()
    torch.save({"step": Payload(tmp_path / "canary")}, buffer)
    contents = [buffer.getvalue(), pickle.dumps(Payload(tmp_path / "canary")), b"nonsense", b""]
    pickle.loads(contents[1])  # noqa: S301  # ours
    assert (tmp_path / "canary").exists(), "the payload works"
    (tmp_path / "canary").unlink()
    for content in contents:
        path = tmp_path / "training.checkpoint"
        path.write_bytes(hashlib.sha256(content).digest() + content)
        caplog.clear()
        assert read_checkpoint(path) is None
        assert str(path) in caplog.text
    assert not (tmp_path / "canary").exists()


def test_row_16_pickles_and_arrays_of_objects_in_place_of_images_are_refused(folder):
    canary = folder / "canary"
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(canary)], dtype=object), allow_pickle=True)
    for n, content in enumerate((pickle.dumps(Payload(canary)), buffer.getvalue(), gzip.compress(buffer.getvalue()))):
        (folder / f"images/P0{n}_ct.nii.gz").write_bytes(content)
        assert codes(folder, f"P0{n}") == {"SB402"}
    assert not canary.exists()


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [touch canary]", "!!python/name:os.system ''", "!x 1"]
)
def test_row_16_tags_of_yaml_are_refused(tmp_path, monkeypatch, tag):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BenchError, match="could not determine a constructor"):
        parse_card(CARD.replace("Toy cohort", tag), source="card")
    assert not (tmp_path / "canary").exists()


UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def unsafe_calls(tree):
    """Yield what in a module's code would run what a file says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in UNSAFE)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE:
            yield node.module
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
        ):
            call = f"{node.func.value.id}.{node.func.attr}"
            options = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            bad = {
                "np.load": options.get("allow_pickle") is not False,
                "torch.load": options.get("weights_only") is not True,
                "pd.read_pickle": True,
                "pd.read_hdf": True,
                **dict.fromkeys(("yaml.load", "yaml.full_load", "yaml.unsafe_load", "yaml.load_all"), True),
            }
            if bad.get(call, False):
                yield call


def test_row_16_no_loader_in_the_code_runs_what_a_file_says():
    places = [Path(p) for name in ("survbench", "survbench.datasets", "survbench.features", "survbench.models", "survbench.leaderboard") for p in find_spec(name).submodule_search_locations]  # fmt: skip  # noqa: E501
    modules = {path for place in places for path in place.rglob("*.py")}
    found = [(path.name, call) for path in modules for call in unsafe_calls(ast.parse(path.read_text()))]
    assert len(modules) > 200
    assert found == []
    code = "import joblib\nnp.load(f)\ntorch.load(f, weights_only=False)\nyaml.load(f)\nnp.load(f, allow_pickle=False)"
    assert [*unsafe_calls(ast.parse(code))] == ["joblib", "np.load", "torch.load", "yaml.load"]


# --- row 19


@pytest.mark.parametrize(
    "name",
    ["../../x", "..\\x", "/etc/x", ".x", "=cmd()", "+1", "@x", "＝1+1", "＠x", "x" * 300, "a\u202eb", "a\x1b[2Jb"],
)
def test_row_19_ids_that_lead_elsewhere_or_are_formulas_are_refused(folder, name):
    rows = lines(folder)
    write_lines(folder, [rows[0], rows[1].replace("P00", name), *rows[2:]])
    with pytest.raises(CohortError, match="SB104"):
        read(folder)
    assert not [f for f in validate_named(str(folder)).findings if "\x1b" in f.what + (f.subject or "")]


@pytest.mark.parametrize("name", ["a**b", "[x]", "<script>alert(1)</script>".replace("/", ""), "a{b}", "ä b"])
def test_row_19_ids_of_odd_characters_are_read_as_they_are(folder, name):
    rows = lines(folder)
    write_lines(folder, [rows[0], rows[1].replace("P00", name), *rows[2:]])
    assert codes(folder, name) == {"SB401"}, "its files are missing, and nothing else is said"
    for kind in ("pet", "ct", "mask"):
        (folder / f"images/P00_{kind}.nii.gz").rename(folder / f"images/{name}_{kind}.nii.gz")
    assert name in read(folder).cohort.ids


@pytest.mark.parametrize(("one", "other"), [("P00", "P00"), ("ä", "a\u0308"), ("7", "07"), ("７", "7")])
def test_row_19_two_ids_that_are_the_same_are_refused(folder, one, other):
    rows = lines(folder)
    write_lines(folder, [rows[0], rows[1].replace("P00", one), rows[2].replace("P01", other), *rows[3:]])
    with pytest.raises(CohortError, match="SB105|SB103|An id occurs in 2 rows|looks the same"):
        read(folder)


# --- row 20


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        (1, "0", "SB201"),
        (1, "-3", "SB201"),
        (1, "nan", "SB201"),
        (1, "", "SB201"),
        (1, "inf", "SB201"),
        (2, "2", "SB202"),
        (2, "", "SB210"),
        (2, "0.5", "SB202"),
    ],
)
def test_row_20_times_and_events_that_cannot_be_are_refused_by_row(folder, column, cell, code):
    rows = [row.split(",") for row in lines(folder)]
    rows[4][column] = cell
    write_lines(folder, map(",".join, rows))
    found = {f.code for f in validate_named(str(folder)).findings if f.severity == "error"}
    assert code in found


@pytest.mark.parametrize("events", [0, 1, 12])
def test_row_20_too_few_events_or_none_censored_are_told_before_anything_is_fitted(folder, events):
    rows = [row.split(",") for row in lines(folder)]
    for n, row in enumerate(rows[1:]):
        row[2] = str(int(n < events))
    write_lines(folder, map(",".join, rows))
    found = {f.code for f in validate_named(str(folder)).findings if f.severity in {"error", "warning"}}
    assert found & {"SB203", "SB207", "SB206", "SB214", "SB205"}
