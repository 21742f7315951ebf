"""Layouts: tables and outcomes of collections by their true names, trees of NIfTI, and layouts that are wrong."""

from __future__ import annotations

import layout_trees
import pytest
from outside_data import outside
from survbench.actions.ingest_nifti import link_cohort
from survbench.datasets.cards.card import parse_card
from survbench.datasets.cohorts.validate import validate_named
from survbench.datasets.layouts.cards import card_text, cards_of, write_cards
from survbench.datasets.layouts.layout import Column, Event, Nifti, SourceTable, layout_names, load_layout
from survbench.datasets.layouts.outcome import with_outcome
from survbench.datasets.layouts.tables import file_in, read_rows
from survbench.datasets.layouts.tree import tree_of
from survbench.errors import BenchError, UnknownNameError
from survbench.io.tables import read_table


def laid_out(name, source, table=None):
    layout = load_layout(name)
    return with_outcome(layout, read_rows(layout, source, table))


def by_id(found):
    return {row.cells["id"]: row.cells for row in found.table.rows}


def linked(name, source, out):
    layout = load_layout(name)
    return link_cohort(source, out, layout, layout.nifti, laid_out(name, source))


@pytest.mark.parametrize("name", layout_names())
def test_the_cards_of_every_layout_read_back(name):
    for card in cards_of(load_layout(name)).values():
        assert parse_card(card_text(card), source=name) == card


@pytest.mark.parametrize(("name", "patients", "events"), [("hecktor2021", 8, 4), ("hecktor2022", 6, 3), ("hecktor2025", 7, 4), ("sts51", 8, 4)])  # fmt: skip  # noqa: E501
def test_a_tree_of_nifti_becomes_a_cohort_without_an_error(name, patients, events, tmp_path):
    done = linked(name, getattr(layout_trees, name)(tmp_path), tmp_path / "out")
    assert len(done.patients) == patients
    table = read_table(tmp_path / "out/clinical.csv")
    assert table.column("id") == list(done.patients)
    outcome = load_layout(name).outcome
    assert sum(map(int, table.column(outcome.name))) == events
    report = validate_named(str(tmp_path / "out"))
    assert [f.what for f in report.findings if f.severity == "error"] == []
    assert report.judged == patients
    assert sorted(path.name for path in (tmp_path / "out/images").iterdir())[:3] == [f"{done.patients[0]}_{kind}.nii.gz" for kind in ("CT", "PET", "mask")]  # fmt: skip  # noqa: E501


def test_the_known_cohort_sts51_is_what_the_layout_writes(tmp_path):
    linked("sts51", layout_trees.sts51(tmp_path), tmp_path / "out")
    report = validate_named("sts51", data=tmp_path / "out")
    assert [f.what for f in report.findings if f.severity == "error"] == []
    assert report.judged == 8


def test_who_has_no_outcome_or_no_mask_is_named(tmp_path):
    done = linked("hecktor2022", layout_trees.hecktor2022(tmp_path), tmp_path / "out")
    assert (done.without_outcome, done.without_row, done.failed) == (("MDA-007", "MDA-008"), (), {})
    done = linked("hecktor2025", layout_trees.hecktor2025(tmp_path), tmp_path / "other")
    assert done.failed == {"USZ-001": "There is no mask."}


def test_the_planning_ct_of_a_patient_is_not_the_ct_of_another(tmp_path):
    tree = tree_of(layout_trees.hecktor2025(tmp_path), load_layout("hecktor2025").nifti)
    assert {path.name for files in tree.files.values() for path in files.values()} == {
        f"USZ-{n:03d}{end}.nii.gz" for n in range(2, 9) for end in ("__PT", "__CT", "")
    }


def test_a_file_that_is_there_twice_fails_its_patient_and_a_table_stops(tmp_path):
    first = layout_trees.hecktor2025(tmp_path, 3)
    layout_trees.hecktor2025(tmp_path / "Task 3", 3)
    tree = tree_of(tmp_path, load_layout("hecktor2025").nifti)
    assert not tree.files
    assert "Task 2/USZ-002/USZ-002__PT.nii.gz and Task 3/Task 2/USZ-002/USZ-002__PT.nii.gz" in tree.wrong["usz-002"]
    with pytest.raises(BenchError, match="has several files .* --table"):
        laid_out("hecktor2025", tmp_path)
    assert len(laid_out("hecktor2025", tmp_path, first / "HECKTOR_2025_Training_Task_2.csv").table.rows) == 3


def test_an_id_is_part_of_one_name(tmp_path):
    for name in ("a/P1_pt.nii", "a/P1_ct.nii", "a/P1_m.nii", "deep/P1/P2_pt.nii"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    files = {"pet": ["{id}_pt.nii"], "ct": ["{id}_ct.nii"], "mask": ["{id}_m.nii"]}
    assert sorted(tree_of(tmp_path, Nifti(id="P[0-9]+", **files)).files) == ["p1"]
    assert not tree_of(tmp_path, Nifti(id="[a-z]+/P.+", **files)).files
    twice = {**files, "pet": ["{id}/{id}_pt.nii"]}
    assert tree_of(tmp_path, Nifti(id="P[0-9]+", **twice)).wrong == {"p1": "There is no PET."}


def test_a_second_call_replaces_links_and_keeps_the_card(tmp_path):
    source, out = layout_trees.sts51(tmp_path, 3), tmp_path / "out"
    linked("sts51", source, out)
    (out / "cohort.yaml").write_text("mine")
    (source / "nifti/STS_002/PET_image.nii.gz").unlink()
    assert linked("sts51", source, out).failed == {"STS_002": "There is no PET."}
    assert {path.name[:7] for path in (out / "images").iterdir()} == {"STS_001", "STS_003"}
    assert (out / "cohort.yaml").read_text() == "mine"
    (out / "images/STS_001_PET.nii.gz").unlink()
    (out / "images/STS_001_PET.nii.gz").write_text("a file")
    with pytest.raises(BenchError, match="is not a link that an earlier call made"):
        linked("sts51", source, out)
    assert len([*(out / "images").iterdir()]) == 6  # nothing was removed before the refusal


def test_the_workbook_of_head_neck_is_read_over_its_traps(tmp_path):
    source = layout_trees.head_neck(tmp_path, images=False)
    rows = by_id(laid_out("head-neck-pet-ct", source))
    assert sorted(rows) == sorted(f"HN-{centre}-{n:03d}" for centre in layout_trees.HN_CENTRES for n in (1, 2))
    assert {rows[f"HN-{c}-001"]["CenterID"] for c in layout_trees.HN_CENTRES} == {*layout_trees.HN_CENTRES}
    assert (rows["HN-CHUS-001"]["Sex"], rows["HN-CHUS-001"]["HPV"], rows["HN-CHUS-002"]["HPV"]) == ("M", "positive", "")
    # first of local recurrence at 303 days and metastasis at 203; death; the end of follow-up, in the other spelling
    expected = {"HN-CHUS-001": ("1", "203"), "HN-HMR-002": ("1", "1186"), "HN-HGJ-002": ("0", "1062")}
    assert {name: (rows[name]["PFS"], rows[name]["PFS_days"]) for name in expected} == expected


def named_alike(layout, renamed=()):
    """Return a layout whose columns are called in the source as they are here."""
    own = {name: Column(names=(dict(renamed).get(name, name),)) for name in layout.outcome.columns}
    return layout.model_copy(update={"columns": own, "tables": (SourceTable(file=("*.csv",), id=("PatientID",)),)})


HN_COLUMNS = {"Death": "OS", "Death_days": "OS_days", "follow_up_days": "OS_days"}


@pytest.mark.parametrize(
    ("name", "data", "table", "renamed", "patients"),
    [
        ("sts51", "sts51", "clinical.csv", {}, 51),
        ("head-neck-pet-ct", "hn_petct", "outcomes_HGJ_CHUS.csv", HN_COLUMNS, 194),
    ],
    ids=["sts51", "hn_petct"],
)
def test_outcomes_are_those_of_the_published_tables(name, data, table, renamed, patients):
    path = outside(data) / table
    layout = named_alike(load_layout(name), renamed)
    found = by_id(with_outcome(layout, read_rows(layout, path.parent, path)))
    published = {row.cells["PatientID"]: row.cells for row in read_table(path).rows}
    assert len(found) == patients
    for patient, cells in found.items():
        assert (cells["PFS"], float(cells["PFS_days"])) == (published[patient]["PFS"], float(published[patient]["PFS_days"]))  # fmt: skip  # noqa: E501


SMALL = """
name: small
title: Small
nifti: {{id: "P[0-9]+", pet: ["{{id}}_pt.nii"], ct: ["{{id}}_ct.nii"], mask: ["{{id}}_m.nii"]}}
tables: [{{file: ["t.csv"], id: [Id]}}]
columns:
  local: {{names: [Local]}}
  local_at: {{names: [Local at]}}
  start: {{names: [Start]}}
  end: {{names: [End]}}
outcome:
  name: PFS
  unit: months
  first_of: [{{event: local, time: local_at, observed: [ja, 2], censored: [nein, 1]}}]
  follow_up: end
  start: start
missing: [-999]
field_of_view_mm: [100, 100, 100]
licence: CC0
citation: none
{more}
"""


def small(tmp_path, more=""):
    path = tmp_path / "small.yaml"
    path.write_text(SMALL.format(more=more))
    return load_layout(str(path))


def outcomes(tmp_path, *rows):
    (tmp_path / "t.csv").write_text("Id,Local,Local at,Start,End\n" + "\n".join(rows) + "\n")
    layout = small(tmp_path)
    return with_outcome(layout, read_rows(layout, tmp_path))


def test_an_outcome_counts_from_its_start_and_needs_all_its_cells(tmp_path):
    found = outcomes(tmp_path, "P1,ja,10,1.5,30", "P2,1,,2,30", "P3,,,,", "P4,2,-999,1,30", "P5,maybe,,1,30", "P6,,,1,30", "P7,nein,,1,x")  # fmt: skip  # noqa: E501
    assert {name: (c["PFS"], c["PFS_months"]) for name, c in by_id(found).items()} == {"P1": ("1", "8.5"), "P2": ("0", "28")}  # fmt: skip  # noqa: E501
    assert found.without_outcome == ("P3",)
    assert found.wrong == {
        "P4": "local_at is blank.",
        "P5": "local is not one of ja, 2, nein, 1.",
        "P6": "local is blank.",
        "P7": "end is not a number.",
    }


def test_tables_that_do_not_fit_the_layout_are_refused(tmp_path):
    with pytest.raises(BenchError, match="has two rows of P_1, the second in line 3"):
        outcomes(tmp_path, "P-1,ja,10,1,30", "P_1,ja,10,1,30")
    with pytest.raises(BenchError, match="No patient has an outcome by the layout small. P1: local is not one of"):
        outcomes(tmp_path, "P1,maybe,10,1,30")
    (tmp_path / "t.csv").write_text("Id,Local,Start,End\nP1,1,1,1\n")
    with pytest.raises(BenchError, match=r"No table has the column 'Local at' \(local_at of the layout\)"):
        read_rows(small(tmp_path), tmp_path)
    (tmp_path / "t.csv").write_text("Name,Local\nP1,1\n")
    with pytest.raises(BenchError, match="has no column Id"):
        read_rows(small(tmp_path), tmp_path)
    with pytest.raises(BenchError, match="has no file INFO"):
        file_in(tmp_path, ["INFO*.xlsx"])
    with pytest.raises(BenchError, match="Layout hecktor2022 reads 2 tables"):
        read_rows(load_layout("hecktor2022"), tmp_path, tmp_path / "t.csv")


def test_a_card_names_the_structures_of_the_masks_that_were_written(tmp_path):
    write_cards(tmp_path, cards_of(load_layout("head-neck-pet-ct")), {"gtvp": 1, "gtvn": 2})
    for name in ("cohort", "npc-recorded", "npc-restaged"):
        card = parse_card((tmp_path / f"{name}.yaml").read_text(), source=name)
        assert card.structures == {"gtvp": 1, "gtvn": 2}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("dicom: {region: [GTV]}", "give 'dicom' or 'nifti'"),
        ("centre: hospital", "columns that are not under 'columns': hospital"),
        ("selection: {}", "unknown key. Did you mean 'selections'"),
    ],
)
def test_layouts_that_contradict_themselves_are_refused(more, message, tmp_path):
    with pytest.raises(BenchError, match=message):
        small(tmp_path, more)


def test_columns_codes_and_expressions_are_checked():
    with pytest.raises(ValueError, match="give 'names' or 'of_id'"):
        Column()
    with pytest.raises(ValueError, match="of_id needs one group"):
        Column(of_id="HN-.*")
    with pytest.raises(ValueError, match="code 1 means both observed and censored"):
        Event(event="relapse", time="days", observed=(True,), censored=(0, 1))
    files = {"pet": ["{id}_pt.nii"], "ct": ["{id}_ct.nii"], "mask": ["{id}_m.nii"]}
    for expression in ("P([0-9]+", "(?i)p[0-9]+"):
        with pytest.raises(ValueError, match="is not a regular expression without flags"):
            Nifti(id=expression, **files)
        with pytest.raises(ValueError, match="is not a regular expression without flags"):
            Column(of_id=f"{expression}-(.*)")
    with pytest.raises(ValueError, match="must match at least one character, and have no groups"):
        Nifti(id="(P)[0-9]+", **files)
    with pytest.raises(ValueError, match="'a' and 'b' both have label 1"):
        Nifti(id="P[0-9]+", labels={"a": 1, "b": 1}, **files)
    with pytest.raises(ValueError, match="all must end in .nii, or all in .nii.gz"):
        Nifti(id="P[0-9]+", **{**files, "ct": ["{id}_ct.nii", "{id}_CT.nii.gz"]})


def test_an_unknown_layout_is_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'hecktor2025' or"):
        load_layout("hecktor22")
    with pytest.raises(BenchError, match=r"There is no layout mine.yaml"):
        load_layout("mine.yaml")
