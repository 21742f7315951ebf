"""A result says which code made it."""

from __future__ import annotations

import subprocess

import pytest
import survbench
from survbench.runs.provenance import provenance


@pytest.fixture
def provenance_in(monkeypatch):
    """Return a function that tells the provenance of a package that lies in some folder."""

    def told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
        monkeypatch.setattr(survbench, "__file__", str(folder / "__init__.py"))
        provenance.cache_clear()
        return provenance()

    yield told
    provenance.cache_clear()


@pytest.fixture
def git(tmp_path):
    """Return a function that calls git in a new repository."""

    def call(*arguments):
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        ended = subprocess.run(["git", *who, *arguments], cwd=tmp_path, capture_output=True, text=True, check=True)
        return ended.stdout.strip()

    call("init", "--quiet")
    return call


def test_the_commit_of_a_checkout_says_whether_files_differ_from_it(git, provenance_in, tmp_path):
    package = tmp_path / "benchmark"
    package.mkdir()
    (package / "__init__.py").touch()
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    git("tag", "v1")
    head = git("rev-parse", "--short=12", "HEAD")
    assert provenance_in(package).commit == head
    (package / "__init__.py").write_text("changed")
    assert provenance_in(package).commit == f"{head}+changes"


def test_a_wheel_inside_somebodys_repository_has_not_its_commit(git, provenance_in, tmp_path):
    (tmp_path / "paper.tex").touch()
    git("add", ".")
    git("commit", "--quiet", "--message", "their own")
    assert provenance_in(tmp_path / ".venv" / "survbench").commit is None


def test_without_git_there_is_no_commit_and_the_rest_is_told(provenance_in, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    told = provenance_in(tmp_path)
    assert told.commit is None
    assert all(told.packages.values()), "no library is missing"
    assert str(tmp_path) not in told.model_dump_json()
