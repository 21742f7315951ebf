"""``bench cohort ingest --layout`` as a user calls it: collections of DICOM and of NIfTI, and a layout of one's own."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import layout_trees
import pytest
from dicom_files import write_patient
from survbench.cli.ingest_layout import MaskOn, Wanted, filled_in
from survbench.datasets.layouts.layout import load_layout
from survbench.io.tables import read_table

PAGE = Path(__file__).parents[2] / "docs/reference/layouts.md"


@pytest.fixture(scope="module")
def head_neck(process, tmp_path_factory):
    """Return the cohort that was read from a small copy of Head-Neck-PET-CT, and the command as it ended."""
    folder = tmp_path_factory.mktemp("tcia")
    source, out = layout_trees.head_neck(folder), folder / "hn"
    ended = process("cohort", "ingest", source, "--layout", "head-neck-pet-ct", "--out", out, "--workers", 1)
    return out, ended


def test_regions_are_those_of_each_patient(head_neck):
    out, ended = head_neck
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "Wrote     8 patients" in ended.stdout
    assert "Leak" not in ended.stdout
    table = read_table(out / "clinical.csv")
    by_age = {row.cells["Age"]: row.cells["id"] for row in table.rows}
    records = {age: json.loads((out / f"records/{name}.json").read_text()) for age, name in by_age.items()}
    regions = {age: record["mask"]["regions"] for age, record in records.items()}
    wanted = [drawn[0] for centre in layout_trees.HN_CENTRES for drawn in layout_trees.REGIONS[centre]]
    assert regions == {str(51 + n): names.split(",") for n, names in enumerate(wanted)}
    assert {record["mask"]["on"] for record in records.values()} == {"ct"}
    # boxes of whole voxels of 4 mm on three slices: one of side 7 in HN-HGJ-001, and three, each further by a voxel
    assert records["51"]["mask"]["ml"] == pytest.approx(7 * 7 * 3 * 0.064)
    union = {(x, y) for start, side in ((8, 6), (9, 7), (10, 8)) for x in range(start, start + side) for y in range(start, start + side)}  # fmt: skip  # noqa: E501
    assert records["53"]["mask"]["ml"] == pytest.approx(len(union) * 3 * 0.064)


def test_the_cards_can_be_used_as_they_are(head_neck, bench):
    out, _ = head_neck
    for card, patients in (("cohort", 8), ("npc-recorded", 3), ("npc-restaged", 3)):
        ended = bench("cohort", "check", out / f"{card}.yaml", "--json")
        found = json.loads(ended.stdout)["findings"]
        assert ended.returncode == 0, found
        counts = [f["what"] for f in found if f["code"] == "SB114" and not f["subject"]]
        assert len(counts) == (patients == 3)
        assert all("As recorded: 1 II, 1 III, 1 IV, 1 IVB; restaged to the 8th edition: 1 II, 2 III, 1 IVA" in c for c in counts)  # fmt: skip  # noqa: E501


def test_an_option_comes_before_the_layout(tmp_path):
    layout = load_layout("head-neck-pet-ct")
    (tmp_path / "INFO_GTVcontours_HN.xlsx").touch()
    given = Wanted(columns=("Name GTV Lymph Nodes",), mask_on=MaskOn.PET)
    filled = filled_in(given, layout, tmp_path)
    assert filled == replace(given, regions=tmp_path / "INFO_GTVcontours_HN.xlsx", id_column="Patient")
    by_name = filled_in(Wanted(region=("GTV",)), layout, tmp_path)
    assert by_name == Wanted(region=("GTV",), mask_on=MaskOn.CT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layout", "sts51", "--region", "GTV"], "layout of NIfTI files, with which only --table is used"),
        (["--layout", "sts51", "--id", "Patient"], "--layout takes the place of --id"),
        (["--layout", "sts"], "Unknown layout 'sts'. Did you mean 'sts51'?"),
        (["--layout", "sts51"], "has no file INFOclinical_STS*.xlsx or INFOclinical_STS*.csv"),
    ],
)
def test_what_does_not_go_with_a_layout_is_refused(options, message, bench, tmp_path):
    (tmp_path / "source").mkdir()
    ended = bench("cohort", "ingest", tmp_path / "source", "--out", tmp_path / "out", *options)
    assert ended.returncode == 2
    assert message in " ".join(ended.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_the_layout_of_the_page_reads_a_hospital(bench, tmp_path):
    (tmp_path / "our-hospital.yaml").write_text(re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)[0])
    for n, region in ((1, "GTV"), (2, "gtvp"), (3, "GTV"), (4, "GTV")):
        write_patient(tmp_path / "export", f"HN-700{n}", region=region, tumour=20_000 + 1000 * n)
    head = ["Patienten-ID", "Name", "Alter", "Geschlecht", "Rezidiv", "Rezidiv nach Monaten", "Status", "Nachbeobachtung (Monate)"]  # fmt: skip  # noqa: E501
    rows = [
        ["HN-7001", "Quillfeather", 51, "m", "ja", 7, "tot", 30],
        ["HN-7002", "Quillfeather", "unbekannt", "w", "nein", None, "lebt", 40],
        ["HN-7003", "Quillfeather", 60, "w", "nein", None, "verzogen", 50],
        ["HN-7004", "Quillfeather", 61, "w", None, None, None, None],
    ]
    layout_trees.write_book(
        tmp_path / "export/Export 2024.xlsx", {"Daten": [["Register"], ["Stand 2024"], head, *rows]}
    )
    ended = bench(
        "cohort", "ingest", "export", "--layout", "our-hospital.yaml", "--out", "our-hospital", "--workers", 1
    )
    assert ended.returncode == 1
    assert "Failed    HN-7003: status is not one of tot, lebt." in ended.stdout
    assert "Failed    HN-7004: The source gives no outcome." in ended.stdout
    assert "Leak" not in ended.stdout
    table = read_table(tmp_path / "our-hospital/clinical.csv")
    assert sorted(zip(table.column("sex"), table.column("PFS"), table.column("PFS_months"), strict=True)) == [("f", "0", "40"), ("m", "1", "7")]  # fmt: skip  # noqa: E501
    assert "verzogen" not in (tmp_path / "our-hospital/report.html").read_text()
    assert "Quillfeather" not in (tmp_path / "our-hospital/clinical.csv").read_text()


@pytest.mark.slow
def test_a_collection_is_read_checked_and_run(process, tmp_path):
    layout_trees.hecktor2022(tmp_path, 24)
    for command in (
        ("cohort", "ingest", "hecktor2022_training_corrected_v3", "--layout", "hecktor2022", "--out", "hecktor"),
        ("cohort", "check", "hecktor"),
        (
            "run",
            "--cohort",
            "hecktor",
            "--profile",
            "smoke",
            "--methods",
            "volume,clinical-cox,dmax",
            "--out",
            "results",
        ),
    ):
        ended = process(*command, cwd=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    (board,) = (tmp_path / "results/studies").glob("*/leaderboard.json")
    found = json.loads(board.read_text())
    assert found["cohort"]["patients"] == 22
    assert {row["method"] for row in found["rows"]} == {"volume", "clinical-cox", "dmax"}
