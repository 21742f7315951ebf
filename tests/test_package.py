"""The package as it is shipped: folders, names, lists that must agree."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = PROJECT["tool"]["setuptools"]["package-dir"]
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
RESULTS = ROOT / "leaderboard" / "results"
"""Committed predictions and their boards; they do not travel with the wheel."""


def test_every_folder_with_modules_is_packaged():
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            inside = init.parent.relative_to(ROOT / folder).parts
            found.add(".".join([package, *inside]))
    assert found == set(PACKAGES)


def folder_of(package):
    owner = max((p for p in FOLDERS if f"{package}.".startswith(f"{p}.")), key=len)
    return ROOT.joinpath(FOLDERS[owner], *package.removeprefix(owner).split("."))


def files_of(folder):
    """Return the files in a package's folder that are no modules, those in folders that are no packages included."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix not in {".py", ".pyc"}:
            yield path
        elif path.is_dir() and path not in {RESULTS, folder / "__pycache__"} and not (path / "__init__.py").exists():
            yield from files_of(path)


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_no_module_is_packaged_too(package):
    folder = folder_of(package)
    patterns = PROJECT["tool"]["setuptools"]["package-data"].get(package, [])
    shipped = {path for pattern in patterns for path in folder.glob(pattern)}
    assert set(files_of(folder)) == shipped


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_importable_and_say_what_they_are(package):
    assert importlib.import_module(package).__doc__


def test_nothing_heavy_is_imported_for_the_lists():
    code = (
        "import sys; from survbench.plan.registry import registry; "
        "from survbench.datasets.cohorts.named import cohort_summaries; registry(); cohort_summaries(); "
        "print(sorted({'torch', 'pandas', 'sksurv', 'mlflow', 'radiomics', 'SimpleITK', 'scipy', 'lifelines'} "
        "& set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_lock_fits_the_ranges():
    from packaging.requirements import Requirement

    locked = {}
    for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            locked[name.lower().replace("_", "-")] = version
    wanted = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    for text in wanted:
        requirement = Requirement(text)
        version = locked[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), f"{text} against {version}"


def test_version_changelog_and_citation_agree():
    import re

    import yaml

    version = PROJECT["project"]["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == version
    assert citation["license"] == PROJECT["project"]["license"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (.+)$", changes, re.MULTILINE)
    for release in releases:
        assert re.fullmatch(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", release), release
        assert f"\n{release.split(' - ')[0]}: https://" in changes, f"no link for {release}"
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", changes, re.MULTILINE)) <= kinds
    dated = [release for release in releases if release != "[Unreleased]"]
    date = citation.get("date-released")
    assert dated[:1] == ([] if date is None else [f"[{version}] - {date}"])


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name
)
def test_links_between_pages_lead_somewhere(page):
    import re

    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
