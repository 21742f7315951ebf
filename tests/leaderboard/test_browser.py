"""The pages in a real browser: the leaderboard, the site, and MLflow comparing two methods."""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from survbench.actions.build import build_and_write
from survbench.actions.request import Request
from survbench.actions.run import run_study
from survbench.actions.watcher import Silent
from survbench.api import Published
from survbench.evaluation.bundle import unpack
from survbench.leaderboard.board.build import build_board
from survbench.leaderboard.site.charts import COLOURS, Chart, Line, svg
from survbench.leaderboard.site.pages import method_file
from survbench.leaderboard.writers.board_files import read_board, write_board
from survbench.plan.profile import load_profile
from survbench.runs.store import Store
from survbench.tracking.mlflow_writer import default_uri, track
from toy_site import fill
from toy_study import IDS, method, outcomes, put, study

pytestmark = [pytest.mark.browser]


@pytest.fixture
def page(browser, tmp_path):
    """Return the browser on the leaderboard of a toy study, and the folder for pictures."""
    store = Store(tmp_path)
    time_, _ = outcomes(IDS)
    rng = np.random.default_rng(0)
    published = Published(source="Somebody 2022", c_index=0.722, external_c_index=0.698, dice=0.76)
    entries = [
        method(store, "radiomics-lasso-cox", -time_ + 25 * rng.normal(size=30), family="radiomics"),
        method(
            store,
            "deepmts",
            -time_ + 15 * rng.normal(size=30),
            published=published,
            dice=0.7,
            gives=("risk", "segmentation"),
            description={"parameters": 3_709_672},
            outside=rng.normal(size=(1, 3, 20)),
        ),
        method(store, "volume", -time_ + 60 * rng.normal(size=30)),
        method(store, "evil", time_, title="<script>document.title='broken'</script>"),
        method(store, "oracle", -time_, family="reference"),
        method(store, "fails", time_),
    ]  # fmt: skip
    error = {"type": "RuntimeError", "message": "on purpose", "traceback": ""}
    put(store, "fails-0-0", None, status="failed", error=error)
    write_board(build_board(study(entries), store), tmp_path)
    browser.set_window_size(1400, 1000)
    browser.get((tmp_path / "leaderboard.html").as_uri())
    return browser


def methods(page):
    found = page.find_elements("css selector", "tbody tr")
    return [row.find_element("css selector", "code").text for row in found if row.is_displayed()]


def test_the_page_opens_without_a_complaint(page):
    assert [entry for entry in page.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []
    assert "broken" not in page.title
    assert methods(page)[:3] == ["radiomics-lasso-cox", "deepmts", "volume"]
    assert "fails" in methods(page)
    assert len(page.find_elements("css selector", "svg line.point")) >= 6


def test_columns_sort_by_mouse_and_keyboard_and_say_so(page):
    from selenium.webdriver.common.keys import Keys

    headers = page.find_elements("css selector", "thead th")
    button = headers[2].find_element("css selector", "button")
    button.click()
    first = methods(page)
    button.send_keys(Keys.ENTER)
    again = methods(page)
    assert {headers[2].get_attribute("aria-sort")} <= {"ascending", "descending"}
    assert first != again
    assert first[-1] == again[-1] == "fails", "a method without the number stays at the end"
    headers[1].find_element("css selector", "button").click()
    assert headers[2].get_attribute("aria-sort") is None


@pytest.mark.parametrize(
    ("head", "direction"),
    [
        ("C-index", "descending"),
        ("Dice", "descending"),
        ("Holm p", "ascending"),
        ("Time", "ascending"),
    ],
)
def test_the_first_click_puts_the_best_on_top(page, head, direction):
    headers = page.find_elements("css selector", "thead th")
    column = next(n for n, header in enumerate(headers) if header.text.rstrip(" ↓") == head)
    if head == "C-index":  # the table comes sorted by it
        headers[1].find_element("css selector", "button").click()
    headers[column].find_element("css selector", "button").click()
    assert headers[column].get_attribute("aria-sort") == direction
    shown = page.execute_script(
        "return [...document.querySelectorAll('tbody tr')].map(r => r.cells[arguments[0]].dataset.value)", column
    )
    known = [float(value) for value in shown if value != ""]
    assert known == sorted(known, reverse=direction == "descending")
    assert len(known) > 0


def test_the_filter_hides_rows_and_counts_them(page):
    page.find_element("id", "filter").send_keys("radio")
    assert methods(page) == ["radiomics-lasso-cox"]
    assert "1 of 6" in page.find_element("id", "shown").text


@pytest.mark.parametrize("width", [390, 768, 1400])
def test_the_page_fits_the_window(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_on_a_phone_every_row_shows_its_interval_and_numbers(page, tmp_path):
    metrics = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        row = next(r for r in page.find_elements("css selector", "tbody tr") if "deepmts" in r.text)
        for part in ("th .title", "td.c_index b", "td.plot svg", "td[data-label='Holm p']", "td.published"):
            box = row.find_element("css selector", part).rect
            assert box["width"] > 0, part
            assert 0 <= box["x"] <= box["x"] + box["width"] <= 390, part
        ticks = page.find_elements("css selector", "thead .axis i")
        half = next(t.rect for t in ticks if t.text == "0.5")
        line = row.find_element("css selector", "svg .half").rect
        assert half["x"] + half["width"] / 2 == pytest.approx(line["x"] + line["width"] / 2, abs=1.5)
        assert [r.get_attribute("role") for r in page.find_elements("css selector", "tbody tr")] == ["row"] * 6
        page.save_screenshot(str(tmp_path / "phone.png"))
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_scripts_the_table_stands_complete_and_ranked(page):
    address = page.current_url
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.get(address)
        assert methods(page)[:3] == ["radiomics-lasso-cox", "deepmts", "volume"]
        assert not page.find_element("id", "filter").is_displayed(), "a filter that does nothing"
        assert page.find_elements("css selector", "button") == []
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_points_to_its_data_and_explains_its_columns(page, tmp_path):
    names = [a.get_attribute("href").rsplit("/", 1)[1] for a in page.find_elements("css selector", ".downloads a")]
    assert names == ["leaderboard.csv", "leaderboard.json", "leaderboard.md"]
    assert all((tmp_path / name).is_file() for name in names)
    glossary = page.find_element("css selector", ".glossary")
    glossary.find_element("tag name", "summary").click()
    heads = [h.text.rstrip(" ↓") for h in page.find_elements("css selector", "thead th:not(.plot)")]
    assert heads == [term.text for term in glossary.find_elements("tag name", "dt")]


def test_a_printed_landscape_sheet_holds_the_whole_table(page):
    """A4 less its margins is 273 mm wide: 1032 CSS pixels."""
    metrics = {"width": 1032, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert page.execute_script("return document.getElementById('board').getBoundingClientRect().right") <= 1032
        assert not page.find_element("css selector", ".tools").is_displayed()
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_text_is_readable_in_the_dark(page):
    scheme = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    colours = page.execute_script("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    ink, paper = (sum(int(n) for n in c[c.index("(") + 1 : -1].split(",")[:3]) for c in colours)
    assert ink - paper > 400


# --- the site


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the site's folder of a toy study with curves, survival curves and slices."""
    return fill(tmp_path_factory.mktemp("site"))


SITE_PAGES = (
    "index.html",
    "compare.html",
    "figures.html",
    "gallery.html",
    "protocol.html",
    "tuning.html",
    "methods/radiomics-lasso-cox.html",
    "methods/mt-hs.html",
    "methods/fails.html",
)
CHARTED = {"figures.html", "tuning.html", "methods/radiomics-lasso-cox.html", "methods/mt-hs.html"}


def complaints(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]


@contextlib.contextmanager
def shown(browser, *, width=1280, scheme="light"):
    """Set the width of the window and the colour scheme."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_site_sorts_filters_and_leads_to_a_method(browser, site):
    from selenium.webdriver.support.select import Select

    browser.set_window_size(1400, 1000)
    browser.get((site / "index.html").as_uri())
    everybody = methods(browser)
    header = browser.find_elements("css selector", "thead th")[2].find_element("css selector", "button")
    header.click()
    assert methods(browser) != everybody
    Select(browser.find_element("id", "family")).select_by_visible_text("ablation")
    assert set(methods(browser)) == {"sur-hs", "mt-hs"}
    assert "2 of 6" in browser.find_element("id", "shown").text
    browser.find_element("id", "filter").send_keys("mt-")
    assert methods(browser) == ["mt-hs"]
    browser.find_element("link text", "mt-hs").click()
    assert browser.current_url == (site / "methods/mt-hs.html").as_uri()
    assert browser.find_element("tag name", "h1").text == "mt-hs"
    browser.find_element("link text", "Leaderboard").click()
    assert browser.current_url == (site / "index.html").as_uri()
    assert complaints(browser) == []


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Return the site of the phantom's committed quick run."""
    store = Store(tmp_path_factory.mktemp("quick"))
    study = unpack(Path(__file__).parents[2] / "leaderboard" / "results" / "phantom-quick", store)
    build_and_write(study, store)
    return study.folder(store.root) / "site"


def test_the_site_of_all_methods_sorts_filters_and_leads_to_each_of_them(browser, quick):
    browser.set_window_size(1400, 1000)
    browser.get((quick / "index.html").as_uri())
    everybody = methods(browser)
    assert len(everybody) == len(read_board(quick.parent / "leaderboard.json").rows) > 30
    dice = next(h for h in browser.find_elements("css selector", "thead th") if h.text == "Dice")
    dice.find_element("css selector", "button").click()
    rows = read_board(quick.parent / "leaderboard.json").rows
    assert methods(browser)[0] == max((row for row in rows if row.dice is not None), key=lambda row: row.dice).method
    browser.find_element("id", "filter").send_keys("deepmts")
    assert sorted(methods(browser)) == ["deepmts", "deepmts-unet", "deepmts-unet-taps"]
    browser.find_element("link text", "DeepMTS").click()
    assert browser.find_element("tag name", "h1").text == "DeepMTS"
    for page in sorted(quick.rglob("*.html")):
        if "data" in page.parts:
            continue
        browser.get(page.as_uri())
        asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
        assert all(name.startswith("file:") for name in asked), page.name
        assert complaints(browser) == [], page.name


@pytest.mark.parametrize("page", SITE_PAGES)
def test_no_page_of_the_site_complains_or_leaves_the_disk(browser, site, page):
    browser.get((site / page).as_uri())
    assert complaints(browser) == []
    assert "broken" not in browser.title
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(e => e.name)")
    assert all(name.startswith("file:") for name in asked)
    styled, scripted = browser.execute_script(
        "return [getComputedStyle(document.querySelector('nav ul')).display, document.documentElement.className]"
    )
    assert (styled, scripted) == ("flex", "scripted")
    assert browser.find_element("tag name", "main").is_displayed()


@pytest.mark.parametrize("page", SITE_PAGES)
def test_on_a_phone_there_is_room_for_a_finger_and_text_is_large_enough(browser, site, page):
    """Targets of 24 x 24 CSS pixels (WCAG 2.2, 2.5.8), and numbers of charts as large as on paper."""
    with shown(browser, width=390):
        browser.get((site / page).as_uri())
        small = browser.execute_script(
            "return [...document.querySelectorAll('button, select, input, summary, nav a')]"
            ".map(e => [e.textContent, e.getBoundingClientRect()])"
            ".filter(([, box]) => box.width && (box.width < 24 || box.height < 24)).map(([text]) => text)"
        )
        assert small == []
        sizes = browser.execute_script(
            "return [...document.querySelectorAll('svg.chart')].map(e => "
            "e.getBoundingClientRect().width / e.viewBox.baseVal.width * parseFloat(getComputedStyle(e).fontSize))"
        )
        assert all(size >= 11.5 for size in sizes)
        assert (len(sizes) > 0) == (page in CHARTED)


@pytest.mark.parametrize("page", SITE_PAGES)
@pytest.mark.parametrize("width", [390, 768])
def test_every_page_of_the_site_fits_a_phone(browser, site, page, width):
    with shown(browser, width=width):
        browser.get((site / page).as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("page", SITE_PAGES)
def test_text_of_the_site_is_readable_in_both_schemes(browser, site, page):
    """Contrast of 4.5 to 1 at least (WCAG 2.2 AA) of all text against what lies behind it."""
    measure = """
      const light = (c) => c.map((v) => { v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
      const of = (c) => { const [r, g, b] = light(c); return .2126 * r + .7152 * g + .0722 * b; };
      const parse = (s) => (s.match(/[\\d.]+/g) || []).map(Number);
      const behind = (e) => {
        for (; e; e = e.parentElement) {
          const c = parse(getComputedStyle(e).backgroundColor);
          if (c.length && (c.length < 4 || c[3] === 1)) return c.slice(0, 3);
        }
        return [255, 255, 255];
      };
      const bad = [];
      const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let n = walk.nextNode(); n; n = walk.nextNode()) {
        const e = n.parentElement, style = getComputedStyle(e);
        const unseen = ["SCRIPT", "TITLE", "OPTION"].includes(e.tagName.toUpperCase());
        if (unseen || !n.data.trim() || !e.checkVisibility()) continue;
        const ink = parse(e.closest("svg") ? style.fill : style.color).slice(0, 3);
        const [a, b] = [of(ink), of(behind(e))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 4.5) bad.push(`${n.data.trim()}: ${ink} on ${behind(e)}`);
      }
      return bad;"""
    for scheme in ("light", "dark"):
        with shown(browser, scheme=scheme):
            browser.get((site / page).as_uri())
            paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert (sum(int(n) for n in paper[4:-1].split(",")[:3]) < 300) == (scheme == "dark")
            assert browser.execute_script(measure) == [], scheme


def test_lines_differ_by_their_dashes_and_their_legend_shows_it(browser, tmp_path):
    lines = tuple(Line(label=f"line {n}", colour=n, x=(0, 1), y=(n, n + 1)) for n in range(1, COLOURS + 1))
    (tmp_path / "chart.svg").write_text(svg(Chart(title="t", x_label="x", y_label="y", lines=lines), alone=True))
    browser.get((tmp_path / "chart.svg").as_uri())
    dashes = "return [...document.querySelectorAll(arguments[0])].map(e => getComputedStyle(e).strokeDasharray)"
    drawn, legend = (browser.execute_script(dashes, f"{tag}.line") for tag in ("path", "line"))
    assert len(set(drawn)) == COLOURS
    assert drawn == legend
    assert drawn[0] == "none"
    shrunk = "const e = document.documentElement; return e.getBoundingClientRect().width / e.viewBox.baseVal.width"
    assert browser.execute_script(shrunk) == 1


def test_a_printed_page_of_a_method_holds_the_features_that_it_keeps(browser, site):
    browser.get((site / "methods/radiomics-lasso-cox.html").as_uri())
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert "3 of 3" in browser.find_element("css selector", ".kept").text
        assert not browser.find_element("css selector", "nav").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_any_two_methods_are_compared_by_keyboard(browser, site):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    browser.get((site / "compare.html").as_uri())
    first, second = (Select(browser.find_element("id", name)) for name in "ab")
    assert first.first_selected_option.text != second.first_selected_option.text
    second.select_by_visible_text("radiomics-lasso-cox")
    first.select_by_visible_text("Sur-HS")
    table = {
        row.find_element("tag name", "th").text: row.find_element("tag name", "td").text
        for row in browser.find_elements("css selector", "#comparison tbody tr")
    }
    pairs = csv.DictReader((site / "compare.csv").read_text(encoding="utf-8").splitlines())
    pair = next(p for p in pairs if {p["a"], p["b"]} == {"sur-hs", "radiomics-lasso-cox"})
    turn = 1 if pair["a"] == "sur-hs" else -1
    there = f"{turn * float(pair['difference']):+.3f}".replace("-", "−")
    assert table["Difference"] == there
    assert there in browser.find_element("id", "meaning").text
    assert table["p (jackknife)"] == f"{float(pair['p']):.3f}"
    assert table["C by fold"].count("/") == 3
    browser.find_element("id", "swap").send_keys(Keys.ENTER)
    assert first.first_selected_option.text == "radiomics-lasso-cox"
    back = f"{-turn * float(pair['difference']):+.3f}".replace("-", "−")
    assert back in browser.find_element("id", "meaning").text
    first.select_by_visible_text("radiomics-lasso-cox")
    second.select_by_visible_text("radiomics-lasso-cox")
    assert "different" in browser.find_element("id", "meaning").text
    first.select_by_visible_text("<script>document.title='broken'</script>")
    assert "<script>" in browser.find_element("id", "meaning").text
    assert complaints(browser) == []


def test_the_address_of_the_comparison_holds_its_pair(browser, site):
    from selenium.webdriver.support.select import Select
    from selenium.webdriver.support.wait import WebDriverWait

    def chosen():
        return [browser.find_element("id", name).get_attribute("value") for name in "ab"]

    browser.get((site / "methods" / method_file("Evil Name")).as_uri())
    browser.find_element("partial link text", "Compared with").click()
    assert chosen() == ["Evil Name", "radiomics-lasso-cox"]
    Select(browser.find_element("id", "a")).select_by_value("sur-hs")
    assert browser.current_url.endswith("compare.html#a=sur-hs&b=radiomics-lasso-cox")
    browser.find_element("id", "swap").click()
    told = browser.find_element("id", "meaning").text
    browser.refresh()
    assert chosen() == ["radiomics-lasso-cox", "sur-hs"]
    assert browser.find_element("id", "meaning").text == told
    browser.execute_script("location.hash = 'a=mt-hs&b=nobody'")
    WebDriverWait(browser, 10).until(lambda _: chosen()[0] == "mt-hs")
    assert chosen()[1] == "sur-hs", "a method that is not there changes nothing"
    assert complaints(browser) == []


def test_without_scripts_the_site_stands(browser, site):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((site / "compare.html").as_uri())
        assert not browser.find_element("id", "a").is_displayed(), "a choice that does nothing"
        assert browser.find_element("link text", "compare.csv").is_displayed()
        browser.get((site / "methods/sur-hs.html").as_uri())
        assert len(browser.find_elements("css selector", "svg.chart path.line")) >= 4
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_first_stop_of_the_keyboard_skips_the_navigation(browser, site):
    from selenium.webdriver.common.keys import Keys

    browser.get((site / "protocol.html").as_uri())
    browser.find_element("tag name", "body").send_keys(Keys.TAB)
    focused = browser.switch_to.active_element
    assert focused.text == "Skip to the content"
    assert focused.rect["x"] >= 0
    outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


# --- MLflow


@contextlib.contextmanager
def serving(out):
    """Start ``bench ui`` on a free port; give its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "survbench.cli", "ui", "--out", str(out), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310  # our own server
                    break
            except OSError:
                assert time.monotonic() < deadline, "MLflow did not start"
                time.sleep(0.5)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


@pytest.mark.slow
def test_mlflow_compares_two_methods(browser, prepared, tmp_path):
    from mlflow import MlflowClient
    from selenium.webdriver.support.wait import WebDriverWait

    request = Request(profile=load_profile("smoke"), methods="volume,tlg", out=prepared(tmp_path))
    chosen = run_study(request, Silent()).study
    track(chosen, Store(tmp_path), tmp_path)
    client = MlflowClient(tracking_uri=default_uri(tmp_path))
    experiment = client.get_experiment_by_name(chosen.name).experiment_id
    parents = client.search_runs([experiment], "tags.`survbench.kind` = 'method'")
    (board,) = client.search_runs([experiment], "tags.`survbench.kind` = 'board'")
    ids = ",".join(f'"{r.info.run_id}"' for r in parents)
    with serving(tmp_path) as address:
        browser.set_window_size(1500, 1200)
        browser.get(f'{address}/#/compare-runs?runs=[{ids}]&experiments=["{experiment}"]')
        WebDriverWait(browser, 60).until(
            lambda b: all(word in b.find_element("tag name", "body").text for word in ("c_index", "tlg", "volume"))
        )
        browser.save_screenshot(str(tmp_path / "compare.png"))
        browser.get(f"{address}/#/experiments/{experiment}/runs/{board.info.run_id}/artifacts")
        WebDriverWait(browser, 60).until(lambda b: "leaderboard.html" in b.find_element("tag name", "body").text)
