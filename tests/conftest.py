"""What several tests share: quiet threads, an outside plugin, a browser."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

# before numpy or torch are imported: two workers with one thread each beat one with two
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ["PYTHONSAFEPATH"] = "1"

# the same examples everywhere: what fails in one place has to fail in the next
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

PLUGINS = Path(__file__).parent / "plugins"


def pytest_collection_modifyitems(items):
    """Begin with the file that takes longest: files are dealt out whole, and at the end one core would idle."""
    items.sort(key=lambda item: item.path.name != "test_conformance.py")


@contextmanager
def _installed():
    from survbench.plan.registry import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PLUGINS))
        patch.setenv("PYTHONPATH", str(PLUGINS))
        registry.cache_clear()
        yield
    registry.cache_clear()


@pytest.fixture
def odd_plugins():
    """Install the outside plugin of tests/plugins for one test, in this process and in those it starts."""
    with _installed():
        yield


@pytest.fixture(scope="module")
def odd_plugins_of_module():
    """Install the outside plugin of tests/plugins for the tests of a module."""
    with _installed():
        yield


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """Return a function that puts the patients of profile ``smoke``, prepared with radiomics, into an output folder,
    which it returns. All processes of a session of tests prepare them once: a run does it in ten seconds.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prepared"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            from survbench.actions.planning import prepare_cohort
            from survbench.actions.request import Request
            from survbench.plan.profile import load_profile

            out = base / "preparing"
            prepare_cohort(Request(profile=load_profile("smoke"), methods="radiomics-lasso-cox", out=out))
            (out / "cache").rename(shared)

    def put(out):
        shutil.copytree(shared, out / "cache")
        return out

    return put


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Return a headless Chromium without a profile of its own."""
    driver, chromium = (
        shutil.which("chromedriver"),
        next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None),
    )
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
