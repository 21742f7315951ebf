"""The documentation as a site: it builds without a warning, and reads well on a phone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PHONE = (500, 900)
"""Width and height of the window; Chromium opens none that is narrower."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the built site."""
    folder = tmp_path_factory.mktemp("documentation")
    ended = subprocess.run(
        [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "docs", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def test_every_page_is_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").glob("*/*.md")):
        assert f'href="{page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()}"' in start


@pytest.mark.browser
def test_no_page_complains_or_is_wider_than_a_phone(site, browser):
    browser.set_window_size(*PHONE)
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        browser.get(page.as_uri())
        complaints = [entry for entry in browser.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
        assert complaints == [], page.name
        widths = browser.execute_script("return [document.scrollingElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1], page.name
