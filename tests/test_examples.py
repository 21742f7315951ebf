"""Examples in docstrings and in the documentation give what they say."""

from __future__ import annotations

import doctest
import importlib
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]


def has_examples(path):
    return ">>> " in path.read_text(encoding="utf-8")


MODULES = [
    ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts])
    for package, folder in FOLDERS.items()
    for path in sorted((ROOT / folder).rglob("*.py"))
    if has_examples(path)
]
PAGES = [page for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))] if has_examples(page)]


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_a_module_hold(module):
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_examples_of_a_page_hold(page):
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted > 0
    assert result.failed == 0
