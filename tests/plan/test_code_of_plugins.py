"""An outside method's key follows the modules of its own package that it imports."""

from __future__ import annotations

import pytest
from survbench.plan.code_key import clear, code_fingerprint


@pytest.fixture(autouse=True)
def fresh():
    clear()
    yield
    clear()


def test_changed_code_changes_the_key_of_what_imports_it(tmp_path, monkeypatch):
    package = tmp_path / "pluginx"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "method.py").write_text("from pluginx import helper\nfrom . import other\nimport os\n")
    (package / "helper.py").write_text("A = 1\n")
    (package / "other.py").write_text("B = 1\n")
    (package / "unrelated.py").write_text("C = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = code_fingerprint("pluginx.method")
    prints = [before]
    for name, text in (("unrelated.py", "C = 2\n"), ("helper.py", "A = 2\n"), ("other.py", "B = 2\n")):
        (package / name).write_text(text)
        clear()
        prints.append(code_fingerprint("pluginx.method"))
    assert prints[1] == before
    assert prints[2] != prints[1]
    assert prints[3] != prints[2]
