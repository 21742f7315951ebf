"""Patients chosen by stage: the table of both editions, the paper's external patients, and cells that give no stage."""

from __future__ import annotations

from collections import Counter

import pytest
from outside_data import outside
from survbench.datasets.cards.card import parse_card
from survbench.datasets.readers.folder import inspect_cohort
from survbench.datasets.vocabulary.staging import agree, stage_of, stage_rules
from survbench.errors import BenchError
from table_cohort import CARD, changed, table_rows, write_table_cohort

# AJCC, nasopharynx: T1, T2, T3, T4 by N0, N1, N2, N3; groups of the 7th and of the 8th edition
SEVENTH = ("I II III IVB", "II II III IVB", "III III III IVB", "IVA IVA IVA IVB")
EIGHTH = ("I II III IVA", "II II III IVA", "III III III IVA", "IVA IVA IVA IVA")
DECIDED = ("yes no no yes", "yes no no yes", "yes no no yes", "no no no yes")
NPC = """
name: npc
title: Nasopharynx
table: {table}
id: {id}
patients:
  where: {{site: [Nasopharynx]}}
  stage: {{rules: nasopharynx, by: {by}, keep: {{III: [III], IVa: [{four}]}}}}
endpoint: {{name: PFS, time: PFS_days, event: PFS, unit: days}}
clinical:
  - {{name: stage, column: stage, kind: ordinal, levels: [III, IVa], model: true}}
licence: CC BY 3.0
citation: none
"""
RECORDED = {"by": "recorded", "four": "IV, IVA, IVB"}
RESTAGED = {"by": "restaged", "four": "IVA"}
HEAD = "patient,site,T,N,TNM,PFS,PFS_days\n"


def test_the_table_has_the_groups_of_both_editions():
    rules = stage_rules("nasopharynx")
    for t in range(4):
        for n in range(4):
            found = stage_of(rules, f"T{t + 1}", f"N{n}", "M0")
            assert (found.seventh, found.eighth) == (SEVENTH[t].split()[n], EIGHTH[t].split()[n])
            assert (found.undecided == "") == (DECIDED[t].split()[n] == "yes")
            metastatic = stage_of(rules, f"T{t + 1}", f"N{n}", "M1")
            assert (metastatic.seventh, metastatic.eighth, metastatic.undecided) == ("IVC", "IVB", "")


@pytest.mark.parametrize("cells", [("Tx", "N1", "M0"), ("T1", "", ""), ("T1", "N1", "Mx"), ("T0", "N1", "M0")])
def test_categories_that_give_no_group_are_not_guessed(cells):
    assert stage_of(stage_rules("nasopharynx"), *cells) is None


def test_blank_groups_agree_with_nothing():
    assert not agree("", "III")


@pytest.mark.parametrize(
    ("how", "stages"), [(RECORDED, {"III": 10, "IVa": 6}), (RESTAGED, {"III": 11, "IVa": 5})], ids=["recorded", "8th"]
)
def test_the_external_patients_of_the_paper_in_two_hospitals_of_the_collection(how, stages):
    card = parse_card(NPC.format(table="outcomes_HGJ_CHUS.csv", id="PatientID", **how), source="npc")
    read = inspect_cohort(card, outside("hn_petct"))
    assert Counter(s.clinical["stage"] for s in read.source.cohort.subjects) == stages
    (counts,) = (f for f in read.findings if f.code == "SB114" and not f.subject)
    assert "As recorded: 4 II, 10 III, 6 IV; restaged to the 8th edition: 4 II, 11 III, 5 IVA." in counts.cause
    (differs,) = (f for f in read.findings if f.code == "SB115")
    assert (differs.subject, differs.detail) == ("HN-CHUS-059", "T: 3.0, N: 2, TNM: 4.0; the table says III")
    undecided = {f.subject for f in read.findings if f.code == "SB114" and f.subject}
    assert len(undecided) == 19  # all but the one with N3
    assert "HN-HGJ-023" not in undecided
    assert not any(f.code == "SB116" for f in read.findings)


def select(tmp_path, how, rows):
    (tmp_path / "t.csv").write_text(HEAD + "\n".join(rows) + "\n")
    return inspect_cohort(parse_card(NPC.format(table="t.csv", id="patient", **how), source="npc"), tmp_path)


ROWS = (
    "A,Nasopharynx,T1,N3b,Stade IVB,1,10",
    "B,Nasopharynx,T3,N2,Stage IV,0,20",
    "C,Nasopharynx,T2,N1,IIB,1,30",
    "D,Oropharynx,T3,N2,StageIII,0,40",
    "E,Nasopharynx,Tx,N1,III,1,50",
    "F,Nasopharynx,T4a,N0,,0,60",
    "G,Nasopharynx,T3,N0,III,1,70",
)


@pytest.mark.parametrize(
    ("how", "chosen", "lost"),
    [
        (RECORDED, {"A": "IVa", "B": "IVa", "E": "III", "G": "III"}, {"F"}),
        (RESTAGED, {"A": "IVa", "B": "III", "F": "IVa", "G": "III"}, {"E"}),
    ],
    ids=["recorded", "8th"],
)
def test_stages_are_read_as_tables_write_them_and_who_has_none_is_named(how, chosen, lost, tmp_path):
    read = select(tmp_path, how, ROWS)
    assert {s.id: s.clinical["stage"] for s in read.source.cohort.subjects} == chosen
    assert {f.subject for f in read.findings if f.code == "SB116"} == lost
    assert {f.subject for f in read.findings if f.code == "SB115"} == {"B"}


def test_metastases_make_a_recorded_stage_iv_one_that_is_not_kept(tmp_path):
    how = {**RECORDED, "by": "recorded, m: M"}
    (tmp_path / "t.csv").write_text(
        HEAD.replace("N,", "N,M,") + "A,Nasopharynx,T2,N1,M1,IV,1,10\nB,Nasopharynx,T4,N1,M0,IV,0,20\n"
    )
    read = inspect_cohort(parse_card(NPC.format(table="t.csv", id="patient", **how), source="npc"), tmp_path)
    assert [s.id for s in read.source.cohort.subjects] == ["B"]


def test_a_column_of_a_stage_that_is_absent_is_an_error_and_one_that_is_taken_is_refused(tmp_path):
    rows = changed(table_rows(), T=lambda *_: "1", TNM=lambda *_: "III")
    choice = "patients: {stage: {rules: nasopharynx, by: recorded, keep: {III: [III]}%s}}\n"
    folder = write_table_cohort(tmp_path / "a", rows, card=CARD + choice % "")
    read = inspect_cohort(parse_card((folder / "cohort.yaml").read_text(), source="card"), folder)
    assert [f.cause for f in read.findings if f.code == "SB101"] == [
        "patients.csv has no column 'N' (patients.stage.n in the card)."
    ]
    with pytest.raises(BenchError, match="already has a column 'age'"):
        inspect_cohort(parse_card(CARD + choice % ", n: T, column: age", source="card"), folder)


def test_a_group_that_two_levels_keep_is_refused():
    with pytest.raises(BenchError, match="a group belongs to one level; repeated: IVA"):
        parse_card(
            NPC.format(table="t.csv", id="id", by="restaged", four="IVA").replace("[III]", "[IVA]", 1), source="c"
        )
