"""The pages in a real browser: the leaderboard, and MLflow comparing two methods."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest
from survbench import runner
from survbench.leaderboard.build import build_board
from survbench.leaderboard.render import write_board
from survbench.profile import load_profile
from survbench.store import Store
from survbench.tracking import default_uri, track
from toy_study import IDS, method, outcomes, put, study

pytestmark = [pytest.mark.browser]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a headless Chromium without a profile of its own."""
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("chromium-browser")
    if driver is None or chromium is None:
        pytest.skip("needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("chromium")
    for flag in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    opened.set_page_load_timeout(60)
    yield opened
    opened.quit()


@pytest.fixture
def page(browser, tmp_path):
    """Return the browser on the leaderboard of a toy study, and the folder for pictures."""
    store = Store(tmp_path)
    time_, _ = outcomes(IDS)
    rng = np.random.default_rng(0)
    published = {"source": "Somebody 2022", "c_index": 0.722, "external_c_index": 0.698, "dice": 0.76}
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
        for part in ("th .title", "td.c b", "td.plot svg", "td[data-label='Holm p']", "td.published"):
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
def test_mlflow_compares_two_methods(browser, tmp_path):
    from mlflow import MlflowClient
    from selenium.webdriver.support.wait import WebDriverWait

    request = runner.Request(profile=load_profile("smoke"), methods="volume,deepmts", out=tmp_path)
    chosen = runner.run(request, runner.Silent()).study
    track(chosen, Store(tmp_path), tmp_path)
    client = MlflowClient(tracking_uri=default_uri(tmp_path))
    experiment = client.get_experiment_by_name(chosen.name).experiment_id
    parents = [r for r in client.search_runs([experiment]) if "mlflow.parentRunId" not in r.data.tags]
    ids = ",".join(f'"{r.info.run_id}"' for r in parents)
    with serving(tmp_path) as address:
        browser.set_window_size(1500, 1200)
        browser.get(f'{address}/#/compare-runs?runs=[{ids}]&experiments=["{experiment}"]')
        WebDriverWait(browser, 60).until(
            lambda b: all(word in b.find_element("tag name", "body").text for word in ("c_index", "deepmts", "volume"))
        )
        browser.save_screenshot(str(tmp_path / "compare.png"))
        network = next(r for r in parents if r.data.params["method"] == "deepmts")
        browser.get(f"{address}/#/experiments/{experiment}/runs/{network.info.run_id}/artifacts")
        WebDriverWait(browser, 60).until(lambda b: "leaderboard.html" in b.find_element("tag name", "body").text)
