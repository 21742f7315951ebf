"""``bench list``: what there is, and what each of it is."""

from __future__ import annotations

import json

import pytest
import survbench as sb
from survbench.cli.list import KINDS


def first_line(ended):
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()[0]


def test_without_a_word_methods_are_listed(bench):
    ended = bench("list")
    assert first_line(ended).split() == ["oracle", "reference", "reference", "Oracle", "(true", "hazard)"]
    assert ended.stdout == bench("list", "methods").stdout
    methods = json.loads(bench("list", "--json").stdout)
    assert {"name", "family", "available"} <= set(methods[0])
    assert "deepmts" in {m["name"] for m in methods}


@pytest.mark.parametrize("word", KINDS)
def test_every_list_is_text_and_json_with_names(bench, word):
    rows = [row for row in json.loads(bench("list", word, "--json").stdout) if row.get("in_all", True)]
    lines = bench("list", word).stdout.split("\n\n")[0].splitlines()
    assert [line.split()[0] for line in lines] == [row["name"] for row in rows]
    assert all(row["title"] in line for row, line in zip(rows, lines, strict=True))


def test_the_groups_that_run_takes_are_listed_with_their_methods(bench):
    text = bench("list").stdout
    assert [line.split()[:3] for line in text.splitlines() if line.startswith("tlg")] == [["tlg", "marker", "marker"]]
    assert "Groups for --methods: @paper (26), @related (17), @simple (3), @successors (2), @marker (5), " in text
    rows = {row["name"]: row for row in json.loads(bench("list", "groups", "--json").stdout)}
    assert {"paper", "related", "simple", "successors", "marker", "outside", "reference"} <= set(rows)
    assert rows["marker"]["methods"] == ["dmax", "lesions", "suvmax", "tlg", "volume"]
    assert (rows["deep-features"]["by"], len(rows["table-2"]["methods"])) == ("family", 10)
    described = bench("list", "simple").stdout
    assert described.splitlines()[0] == "simple: plain models that a reader asks for first"
    assert "  methods        clinical-cox, clinical-volume-cox, clinical-volume-mtlr\n" in described


def test_a_pair_that_all_leaves_out_is_not_in_the_list_but_in_json(bench, odd_plugins):
    rows = {row["name"]: row for row in json.loads(bench("list", "--json").stdout)}
    assert (rows["pair-of-mine"]["in_all"], rows["pair-in-print"]["in_all"]) == (False, True)
    lines = {line.split()[0]: line for line in bench("list").stdout.splitlines() if line}
    assert "pair-of-mine" not in lines
    assert "pair-in-print" in lines
    assert "  in_all         no\n" in bench("list", "pair-of-mine").stdout


def test_feature_sets_are_listed_with_their_count_and_bins(bench):
    assert first_line(bench("list", "feature-sets")).split()[:6] == [
        "paper",
        "1456",
        "features",
        "32",
        "grey",
        "levels",
    ]
    rows = json.loads(bench("list", "feature-sets", "--json").stdout)
    assert {r["name"]: r["features"] for r in rows} == {"paper": 1456, "paper-fixed-width": 1456, "pyradiomics": 1436}


def test_a_method_is_described_with_what_it_needs_and_its_size(bench):
    ended = bench("list", "deepmts")
    assert first_line(ended) == "deepmts: DeepMTS"
    assert "  needs_predict  clinical, images\n" in ended.stdout
    described = json.loads(bench("list", "deepmts", "--json").stdout)
    assert (described["parameters"], described["buffers"]) == (3_709_672, 14_600)
    assert "kind" not in described


@pytest.mark.parametrize(
    ("name", "first", "line"),
    [
        ("hn_petct", "hn_petct: Head and neck cancer PET/CT radiomics, HGJ (91 patients)", "  features       yes"),
        ("quick", "quick: The default, for a laptop; ", "  folds          3"),
        ("p.compareC", "p.compareC: compareC (Kang 2015): ", "  where          bench compare"),
        ("paper-fixed-width", "paper-fixed-width: The same 1456 features, ", "  glcm           24: Autocorrelation, "),
    ],
)
def test_a_cohort_a_profile_a_metric_and_a_feature_set_are_described(bench, name, first, line):
    ended = bench("list", name)
    assert first_line(ended).startswith(first)
    assert any(shown.startswith(line) for shown in ended.stdout.splitlines())
    assert json.loads(bench("list", name, "--json").stdout)["name"] == name


def test_a_name_of_several_kinds_is_described_under_each(bench):
    ended = bench("list", "paper")
    heads = [line for line in ended.stdout.splitlines() if not line.startswith(" ")]
    assert first_line(ended).startswith("group of methods paper: the DeepMTS paper's Tables II to V")
    kinds = ["group of methods", "profile", "feature set"]
    assert [head.split(":")[0] for head in heads] == [f"{kind} paper" for kind in kinds]
    described = json.loads(bench("list", "paper", "--json").stdout)
    assert [(d["kind"], d["name"]) for d in described] == [(kind, "paper") for kind in kinds]
    assert described[2]["count"] == 1456


@pytest.mark.parametrize(("given", "near"), [("tgl", "tlg"), ("fantom", "phantom"), ("method", "methods")])
def test_an_unknown_name_is_met_with_the_nearest(bench, given, near):
    ended = bench("list", given)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: Unknown name '{given}'. Did you mean '{near}'")


@pytest.mark.parametrize("given", ["SB999", "sb999", "SB799", "HX9"])
def test_an_unknown_code_is_met_with_one_error_wherever_it_is_given(bench, tmp_path, given):
    listed = bench("list", given)
    assert (listed.returncode, listed.stdout) == (2, "")
    assert listed.stderr.startswith(f"Error: Unknown check '{given.upper()}'. ")
    for command in (("run",), ("cohort", "check", "phantom"), ("cohort", "features", "phantom", "--out", tmp_path)):
        assert bench(*command, "--ignore", f"SB206, {given}").stderr == listed.stderr
    with pytest.raises(sb.BenchError) as raised:
        sb.run(ignore=["SB206", given], out=tmp_path)
    assert f"Error: {raised.value}\n" == listed.stderr


def test_a_code_may_be_given_in_small_letters(bench):
    assert bench("list", "sb306").stdout == bench("list", "SB306").stdout


def test_a_broken_plugin_is_listed_and_described_by_its_reason(bench, odd_plugins):
    (row,) = (r for r in json.loads(bench("list", "--json").stdout) if r["name"] == "odd-broken")
    assert (row["available"], row["family"]) == (False, "broken")
    ended = bench("list", "odd-broken")
    assert ended.returncode == 2
    assert "'odd-broken' cannot be used: ModuleNotFoundError" in ended.stderr
