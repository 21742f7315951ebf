"""The site of a study: its files and links, what its pages say against direct computation, and hostile text."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pandas as pd
import pytest
from jobs import a_prediction, a_search
from survbench.api import SURVIVAL_MONTHS
from survbench.leaderboard.site import slices
from survbench.leaderboard.site.pages import method_file
from survbench.leaderboard.site.site import MOST_EXAMPLES
from survbench.metrics import concordance_index, cox_loss, fold_mean_concordance
from survbench.plan.study import read_study
from survbench.runs.record import RunRecord
from survbench.runs.store import Store
from survbench.statistics import significance
from survbench.statistics.multiplicity import holm
from survbench.statistics.risk_groups import risk_groups
from survbench.statistics.survival_metrics import Outcome, calibration
from survbench.work.example_slices import Examples, read_examples
from toy_site import EVIL, FAIR, POOR, build, enrich, fill, mask, patient
from toy_study import EVENT, FOLD, IDS, SEED, TIME, folds, method, study


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("site"))


def text(site, page):
    return (site / page).read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects what a page points to, its ids, and the tags that it is made of."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.tags, self.scripts, self.words = [], [], [], [], ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if values.get(name)]
        if tag == "script":
            self.scripts.append((values.get("src"), values.get("type")))

    def handle_data(self, data):
        self.words += f"{data} "


def pages(site):
    return sorted(site.glob("*.html")) + sorted((site / "methods").glob("*.html"))


# --- files and links


def test_the_site_has_its_pages_and_takes_the_tables_along(site):
    files = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    assert {"index.html", "compare.html", "figures.html", "gallery.html", "protocol.html"} < files
    assert {"site.css", "site.js", "compare.csv", "figures/figure-5a.svg", "figures/figure-5a.csv"} < files
    assert {"data/leaderboard.csv", "data/leaderboard.json", "data/splits.json"} < files
    assert "data/selection/radiomics-lasso-cox.csv" in files
    assert {"tuning.html", "tuning/mt-hs-seed-0-all-folds-search00.csv"} < files
    assert len(list((site / "methods").glob("*.html"))) == 6
    assert not any("study.json" in name for name in files)
    assert list(site.parent.glob("site.*")) == []
    assert {"data/tables/pairs.md", "data/tables/pairs.csv"} <= set(Page(site / "compare.html").links)


def test_every_link_leads_to_a_file_of_the_site(site):
    for path in pages(site):
        page = Page(path)
        assert len(page.links) > 5
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            assert parts.scheme == parts.netloc == "", f"{path.name} leaves the disk: {link}"
            target = (path.parent / parts.path).resolve() if parts.path else path
            assert target.is_file(), f"{path.name} points to {link}"
            assert target.is_relative_to(site.resolve())
            if parts.path.endswith("compare.html") and parts.fragment:
                stored = json.loads(text(site, "compare.html").split('id="pairs">')[1].split("</script>")[0])
                chosen = dict(parse_qsl(parts.fragment))
                assert set(chosen) == {"a", "b"}
                assert set(chosen.values()) <= {method["name"] for method in stored["methods"]}
            elif parts.fragment:
                assert parts.fragment in Page(target).ids


def test_style_and_script_ask_for_nothing_else(site):
    for name in ("site.css", "site.js"):
        found = text(site, name)
        assert not any(word in found for word in ("http", "url(", "@import", "fetch(", "import ", "XMLHttp"))
    for path in pages(site):
        assert "default-src 'none'" in path.read_text(encoding="utf-8").replace("&#39;", "'")


def test_every_method_of_the_board_is_one_link_away(site):
    links = Page(site / "index.html").links
    assert {f"methods/{p.name}" for p in (site / "methods").glob("*.html")} <= set(links)
    alone = Page(site.parent / "leaderboard.html")
    assert not any("methods/" in link or "site" in link for link in alone.links)


def test_pages_of_methods_lead_to_their_comparison_with_the_reference(site):
    leads = {p.name: [link for link in Page(p).links if "#a=" in link] for p in (site / "methods").glob("*.html")}
    assert leads["sur-hs.html"] == ["../compare.html#a=sur-hs&b=radiomics-lasso-cox"]
    assert leads[method_file("Evil Name")] == ["../compare.html#a=Evil+Name&b=radiomics-lasso-cox"]
    assert leads["radiomics-lasso-cox.html"] == leads["fails.html"] == []


def test_pages_have_landmarks_titles_and_captions(site):
    for path in pages(site):
        page = Page(path)
        assert [page.tags.count(tag) for tag in ("h1", "main", "nav", "header", "footer")] == [1] * 5, path.name
        assert page.tags.count("table") == page.tags.count("caption")
        assert len(page.ids) == len(set(page.ids))


# --- the same runs give the same bytes


def test_another_order_of_jobs_gives_the_same_bytes(site, tmp_path):
    other = fill(tmp_path, order=(5, 3, 1, 0, 4, 2))
    contents = [{p.relative_to(s): p.read_bytes() for p in s.rglob("*") if p.is_file()} for s in (site, other)]
    assert contents[0] == contents[1]


def test_a_study_read_from_its_file_gives_the_same_bytes(tmp_path):
    store = Store(tmp_path)
    folder = fill(tmp_path)
    before = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    build(read_study(folder.parent), store)
    assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


def test_building_again_removes_what_is_gone(tmp_path):
    store = Store(tmp_path)
    entries = [method(store, "volume", FAIR), method(store, "tlg", POOR)]
    folder = build(study(entries, external=False), store)
    assert (folder / "methods/tlg.html").is_file()
    again = build(study(entries[:1], external=False), store)
    assert again == folder
    assert {p.name for p in (again / "methods").iterdir()} == {"volume", "volume.html"}
    assert "Fewer than two methods" in text(again, "compare.html")


def test_a_study_in_which_nothing_is_done_has_a_site(tmp_path):
    entry = replace(method(Store(tmp_path / "elsewhere"), "volume", FAIR), fits=(("none",),))
    folder = build(study([entry], external=False), Store(tmp_path))
    assert "has not run yet" in text(folder, "methods/volume.html")


# --- hostile text


def test_nothing_that_a_plugin_says_becomes_markup(site):
    for path in pages(site):
        assert EVIL not in path.read_text(encoding="utf-8"), path.name
        page = Page(path)
        root = "../" if path.parent.name == "methods" else ""
        allowed = [(f"{root}site.js", None), (None, "application/json")]
        assert all(script in allowed for script in page.scripts), path.name
    stored = json.loads(text(site, "compare.html").split('id="pairs">')[1].split("</script>")[0])
    assert EVIL in {m["title"] for m in stored["methods"]}, "the title stands in the data, escaped"


def test_a_name_that_is_no_file_name_gets_one():
    assert method_file("mt-hs") == "mt-hs.html"
    odd = method_file("../../etc/passwd")
    assert "/" not in odd
    assert odd.endswith(".html")
    assert method_file("A b") != method_file("a b") != method_file("a-b")


def test_a_failure_shows_its_reason_and_the_end_of_its_log_without_paths(site):
    page = Page(site / "methods/fails.html")
    assert "seed 0 fold 0: failed RuntimeError: no …" in " ".join(page.words.split())
    assert 'File "…/fit.py", line 3' in page.words
    for path in site.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"ada/" not in content
            assert b"Lovelace" not in content
            assert str(site.parents[2]).encode() not in content


# --- a method's page


def test_the_page_of_a_method_holds_its_folds_groups_and_calibration(site):
    words = " ".join(Page(site / "methods/radiomics-lasso-cox.html").words.split())
    for k in range(3):
        rows = k == FOLD
        c = concordance_index(TIME[rows], EVENT[rows], FAIR[rows]).value
        assert f"0 {k} 10 {EVENT[rows].sum()} {c:.3f}" in words
    assert f"c_index {fold_mean_concordance(TIME, EVENT, FOLD, FAIR):.6g}" in words
    row = next(r for r in json.loads(text(site, "data/leaderboard.json"))["rows"] if r["method"].startswith("radio"))
    pooled = [row[f"c_index_pooled{end}"] for end in ("", "_low", "_high")]
    assert "Pooled C (95 % CI) {:.3f} ({:.3f}–{:.3f})".format(*pooled) in words
    assert f"Spread over folds (SD) {row['c_index_fold_sd']:.3f}" in words
    groups = risk_groups(TIME, EVENT, FOLD, FAIR, seed=SEED)
    assert f"by permutation: p {groups.p:.3f}" in words
    assert f"Hazard ratio {groups.hazard_ratio:.2f}" in words
    hazard = np.exp((FAIR - FAIR.mean()) / FAIR.std()) / 60
    for month in (12, 36, 60):
        found = calibration(Outcome(TIME, EVENT), np.exp(-hazard * month), horizon=month)
        assert f"{month} months: observed over expected {found.ratio:.2f}" in words
        assert f"calibration {month} ratio {found.ratio:.6g}" in words
    assert "age" in words
    assert "3 of 3" in words


def test_the_page_of_a_network_says_of_each_fit_whether_it_has_learned(site):
    words = " ".join(Page(site / "methods/mt-hs.html").words.split())
    heads = "Seed Fold Verdict Patients Events Training C Least C Test C (95 % CI) Loss Likelihood ratio Training Dice"
    assert heads in words
    rows = FOLD == 0
    c = concordance_index(TIME[rows], EVENT[rows], (POOR + 1)[rows]).value
    assert f"0 0 learned 20 12 0.900 0.700 {c:.3f} (" in words
    assert ") 2.400 → 2.100 7.2 0.600 0.400 0.500 (0.500–0.500)" in words
    assert "0 1 not learned 20 12 0.600 0.700" in words
    assert "0 2 learned" not in words, "that fit was not checked"
    assert "Has it learned?" not in text(site, "methods/sur-hs.html")


def test_calibration_is_of_the_mean_prediction_of_all_seeds(tmp_path):
    store = Store(tmp_path)

    def curves(risk):
        return np.exp(-np.exp((risk[:, None] - FAIR.mean()) / FAIR.std()) * SURVIVAL_MONTHS / 60)

    entries = [method(store, "volume", np.stack([FAIR, POOR]), survival=curves)]
    folder = build(study(entries, external=False), store)
    assert "Mean of the predictions of 2 seeds." in text(folder, "methods/volume.html")
    dots = pd.read_csv(folder / "methods/volume/calibration.csv")
    at = list(SURVIVAL_MONTHS).index(12.0)
    predicted = np.sort(1 - np.mean([curves(r)[:, at] for r in (FAIR, POOR)], axis=0))
    expected = predicted.reshape(5, 6).mean(axis=1)
    np.testing.assert_allclose(dots.loc[dots["line"] == "12 months", "x"], expected, atol=1e-5)


def test_the_charts_of_a_method_are_files_with_their_numbers(site):
    folder = site / "methods/radiomics-lasso-cox"
    assert "<svg" in (folder / "risk-groups.svg").read_text()
    table = pd.read_csv(folder / "risk-groups.csv")
    groups = risk_groups(TIME, EVENT, FOLD, FAIR, seed=SEED)
    low = table[table["line"].str.startswith("lower risk")]
    assert low["y"].iloc[-1] == pytest.approx(groups.low_risk.survival[-1], abs=1e-5)
    dots = pd.read_csv(folder / "calibration.csv")
    survival = np.exp(-np.exp((FAIR - FAIR.mean()) / FAIR.std()) * 36 / 60)
    observed = calibration(Outcome(TIME, EVENT), survival, horizon=36).observed
    np.testing.assert_allclose(dots.loc[dots["line"] == "36 months", "y"], observed, atol=1e-5)
    assert dots["line"].unique().tolist() == ["12 months", "36 months", "60 months"]
    assert dots["low"].isna().all()
    curve = pd.read_csv(site / "methods/sur-hs/convergence-1-L_sur.csv")
    assert set(curve.columns) == {"line", "x", "y", "low", "high"}
    curve = curve.dropna(subset="low")
    assert len(curve) == 40
    assert curve["y"].between(curve["low"], curve["high"]).all()


def test_a_method_without_survival_curves_says_so(site):
    page = text(site, "methods/sur-hs.html")
    assert "so calibration cannot be assessed" in page
    assert "L_sur by training step" in page


def test_hyper_parameters_are_shown_with_the_defaults_that_nobody_declared(tmp_path):
    store = Store(tmp_path)
    entry = replace(method(store, "volume", FAIR), params={"penalty": 0.5})
    for fold in range(3):
        enrich(store, f"volume-0-{fold}", settings={"penalty": 0.5, "schedule": [[1, 1e-4]], "taps": True})
    words = " ".join(Page(build(study([entry], external=False), store) / "methods/volume.html").words.split())
    assert "penalty 0.5 schedule [[1, 0.0001]] taps true" in words


def test_a_hyper_parameter_that_training_folds_decide_is_shown_with_all_its_values(tmp_path):
    store = Store(tmp_path)
    entry = replace(method(store, "volume", FAIR), params={"decay": None})
    for fold, decay in enumerate((0.01, 0.0097, 0.01)):
        enrich(store, f"volume-0-{fold}", params={"decay": None}, settings={"decay": decay, "taps": True})
    words = " ".join(Page(build(study([entry], external=False), store) / "methods/volume.html").words.split())
    assert "decay 0.01, 0.0097 taps true" in words


def test_tuned_hyper_parameters_have_a_column_for_each_fit(tmp_path):
    store = Store(tmp_path)
    entry = method(store, "volume", FAIR)
    for fold in range(3):
        enrich(store, f"volume-0-{fold}", params={"penalty": 0.125 * (fold + 1)})
    entry = replace(entry, params={"penalty": 1.0, "depth": 3}, tunes=(("t0", "t1", "t2"),))
    words = Page(build(study([entry], external=False), store) / "methods/volume.html").words.split()
    assert " ".join(words).count("penalty 0.125 0.25 0.375") == 1
    assert "3 jobs: pending not run yet" in " ".join(words)
    assert "Tuning" not in words, "no search is finished, so there is no page of them"


def test_every_kind_of_job_that_failed_is_named_also_the_search_for_a_method_that_this_one_builds_on(tmp_path):
    store = Store(tmp_path)
    entry = replace(method(store, "volume", FAIR), tunes=(("own", "above"),), predicts=(("outside",),))
    record = RunRecord(status="oom", error={"type": "OutOfMemory", "message": "no memory", "traceback": ""})
    for job in (
        a_search("own", method="volume"),
        a_search("above", method="deepmts"),
        a_prediction("outside", method="volume"),
    ):
        store.record_failure(job, record, "")
    page = Page(build(study([entry], external=False), store) / "methods/volume.html")
    words = " ".join(page.words.split())
    for job in ("seed 0 all folds tuning", "deepmts seed 0 all folds tuning", "seed 0 fold 0 external"):
        assert f" {job}: oom OutOfMemory: no memory" in words
    assert "pending" not in words


# --- comparison of any two


def test_all_pairs_equal_the_comparison_of_two(site):
    raw = json.loads(text(site, "compare.html").split('id="pairs">')[1].split("</script>")[0])
    table = list(csv.DictReader(io.StringIO(text(site, "compare.csv"))))
    assert len(raw["pairs"]) == len(table) == 4 * 5 / 2 + 0
    pair = next(p for p in raw["pairs"] if {p["a"], p["b"]} == {"radiomics-lasso-cox", "sur-hs"})
    risks = {"radiomics-lasso-cox": FAIR, "sur-hs": POOR}
    direct = significance.compare(TIME, EVENT, risks[pair["a"]], risks[pair["b"]], FOLD, resamples=200, seed=SEED)
    for key, value in (
        ("difference", direct.difference),
        ("low", direct.ci_low),
        ("high", direct.ci_high),
        ("se", direct.se),
        ("p", direct.p["jackknife"]),
        ("p_bootstrap", direct.p["bootstrap"]),
        ("p_permutation", direct.p["permutation"]),
        ("detectable", direct.smallest_detectable_difference),
    ):
        assert pair[key] == pytest.approx(value, rel=1e-5), key
        assert float(next(r for r in table if (r["a"], r["b"]) == (pair["a"], pair["b"]))[key]) == pair[key]


def test_holm_counts_the_pairs_of_ranked_methods(site):
    raw = json.loads(text(site, "compare.html").split('id="pairs">')[1].split("</script>")[0])
    ranked = [p for p in raw["pairs"] if "oracle" not in {p["a"], p["b"]}]
    assert all(p["p_holm"] is None for p in raw["pairs"] if p not in ranked)
    known = [p["p"] for p in ranked if p["p"] is not None]
    assert sorted(p["p_holm"] for p in ranked if p["p"] is not None) == pytest.approx(sorted(holm(known)), rel=1e-5)


# --- convergence


def test_figures_and_method_pages_show_the_level_and_say_why_it_is_needed(site):
    level = np.mean([cox_loss(TIME[k == FOLD], EVENT[k == FOLD], np.zeros(10)) for k in range(3)])
    for page, table in (
        ("figures.html", "figures/figure-5a.csv"),
        ("methods/sur-hs.html", "methods/sur-hs/convergence-1-L_sur.csv"),
    ):
        words = " ".join(Page(site / page).words.split())
        assert "levels of training and validation L_sur cannot be compared" in words
        assert "no information" in words
        rows = pd.read_csv(site / table)
        own = rows[rows.iloc[:, 0 if "line" in rows else 2] == "no information"]
        np.testing.assert_allclose(own["y" if "y" in own else "mean"], level, rtol=1e-5)
        assert len(own) == 2
    assert "cannot be compared" not in text(site, "methods/radiomics-lasso-cox.html")


def test_the_onset_is_where_the_validation_loss_is_lowest(site):
    words = " ".join(Page(site / "figures.html").words.split())
    assert "Here (of 6 steps)" in words
    assert "Sur-HS step 12 +18.000 (+18.000 to +18.000) about step 300" in words
    assert "mt-hs step 12 +18.000 (+18.000 to +18.000) none seen" in words
    assert "Sur-CasNet ( sur-casnet ), MT-CasNet ( mt-casnet )" in words
    rows = list(csv.DictReader(io.StringIO(text(site, "figures/figure-5a.csv"))))
    test = {int(r["step"]): float(r["mean"]) for r in rows if r["split"] == "test"}
    assert min(test, key=test.get) == 12
    assert {r["fits"] for r in rows} == {"3"}
    assert not (site / "figures/figure-5b.svg").exists()
    onsets = pd.read_csv(site / "figures/figure-5-onset.csv").set_index("method")
    assert onsets.loc["sur-hs", ["onset", "last", "rise_low", "steps"]].tolist() == [12, 30, 18, 6]
    assert onsets.loc["sur-hs", "published"] == "about step 300"


def test_a_figure_alone_carries_its_style_and_both_schemes(site):
    alone = text(site, "figures/figure-5a.svg")
    assert alone.startswith("<svg")
    assert "<style>" in alone
    assert "prefers-color-scheme: dark" in alone
    assert "<style>" not in text(site, "figures.html")


# --- slices


def test_outlines_enclose_the_mask(tmp_path):
    kept = Examples([patient("P1")], [mask()])
    list(kept.watch(iter([np.zeros((8, 8, 6), dtype=np.float32)])))
    kept.write(tmp_path)
    (example,) = read_examples(tmp_path)
    drawn = str(slices.svg(example))
    assert "outline manual" in drawn
    assert "outline predicted" not in drawn, "no tumour is predicted"
    path = re.search(r' d="M([^Z]+)Z"', drawn)[1]
    corners = np.array([point.split() for point in path.split("L")], dtype=float)
    # 2 x 3 pixels, whose outline runs half a pixel outside their middles
    assert np.ptp(corners, axis=0).tolist() == [2.0, 3.0]
    assert corners.min(axis=0).tolist() == [5.0, 1.0]


def test_the_gallery_shows_the_first_patients_of_the_folds(site):
    page = Page(site / "gallery.html")
    assert page.tags.count("figure") == MOST_EXAMPLES
    shown = [i for i in IDS if i in page.words.split()]
    first = [fold[:2] for fold in folds()]
    assert set(shown) == {first[0][0], first[1][0], first[2][0], first[0][1]}
    assert "outline predicted" in text(site, "methods/mt-hs.html")
    assert "No method of this study" not in text(site, "gallery.html")
