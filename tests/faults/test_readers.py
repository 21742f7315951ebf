"""Rows 11, 12, 14, 16, 19 and 20 of files and tables that are damaged, hostile or wrong."""

from __future__ import annotations

import ast
import gzip
import hashlib
import io
import os
import pickle
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

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_row_11_a_pipe_or_a_folder_in_place_of_an_image_costs_its_patient_alone(folder, make):
    path = folder / "images/P03_pet.nii.gz"
    path.unlink()
    make(path)
    assert {f.subject for f in validate_named(str(folder)).findings if f.severity == "error"} == {"P03"}
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


UNSAFE = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
    "sklearn.externals",
}
"""Modules whose loaders run what a file says."""
CALLS = {
    **dict.fromkeys(("eval", "exec", "compile", "__import__"), ""),
    **dict.fromkeys(("pandas.read_pickle", "pandas.read_hdf"), ""),
    **dict.fromkeys(("yaml.full_load", "yaml.unsafe_load", "yaml.full_load_all", "yaml.unsafe_load_all"), ""),
    **dict.fromkeys(("yaml.load", "yaml.load_all"), "Loader=yaml.SafeLoader"),
    **dict.fromkeys(("numpy.load", "numpy.lib.format.read_array"), "allow_pickle=False"),
    "torch.load": "weights_only=True",
    "torch.jit.load": "",
}
"""Calls that run what a file says, but for those with the option."""
LOADERS = {"yaml.Loader", "yaml.FullLoader", "yaml.UnsafeLoader", "yaml.CLoader"}
OPTIONS = {"allow_pickle=True", "weights_only=False"}


def unsafe(tree):
    """Yield what in a module's code would run what a file says, under whatever name it is imported."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    yield from sorted(of for of in names.values() if of.split(".")[0] in UNSAFE)

    def dotted(node):
        if isinstance(node, ast.Attribute):
            return f"{dotted(node.value)}.{node.attr}"
        return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and dotted(node) in LOADERS:
            yield dotted(node)
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            options = {
                f"{k.arg}={getattr(k.value, 'value', '') if isinstance(k.value, ast.Constant) else dotted(k.value)}"
                for k in node.keywords
            }
            if (called in CALLS and CALLS[called] not in options) or options & OPTIONS:
                yield called


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import joblib as j",
        "from cloudpickle import loads",
        "import numpy as np\nnp.load(f)",
        "import numpy\nnumpy.load(f, allow_pickle=True)",
        "from numpy import load as read\nread(f)",
        "import torch\ntorch.load(f, map_location='cpu')",
        "import torch\ntorch.load(f, weights_only=False)",
        "from torch import load\nload(f)",
        "import yaml\nyaml.load(f)",
        "import yaml\nyaml.load(f, Loader=yaml.UnsafeLoader)",
        "import yaml as y\ny.full_load(f)",
        "import pandas as pd\npd.read_pickle(f)",
        "eval(text)",
        "exec(text)",
        "anything.read(f, allow_pickle=True)",
    ],
)
def test_row_16_an_unsafe_loader_is_seen_under_whatever_name(code):
    assert [*unsafe(ast.parse(code))]


def test_row_16_no_loader_in_the_code_runs_what_a_file_says():
    rooms = ("benchmark", "datasets", "features", "models", "leaderboard")
    modules = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(modules) > 200
    found = [(path.name, call) for path in modules for call in unsafe(ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []
    safe = "import numpy as np, torch, yaml\nnp.load(f, allow_pickle=False)\ntorch.load(f, weights_only=True)"
    assert [*unsafe(ast.parse(safe + "\nyaml.load(f, Loader=yaml.SafeLoader)"))] == []


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
        (1, "1e308", "SB201"),
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
