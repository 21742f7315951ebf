"""An outside method's key follows the modules of its own package that it imports."""

from __future__ import annotations

import importlib
import sys

import pytest
from survbench.plan.code_key import clear, code_fingerprint


@pytest.fixture(autouse=True)
def fresh():
    """Forget what was read and imported before each test, and after the last."""
    _forget()
    yield
    _forget()


def _forget():
    clear()
    sys.modules.pop("pluginx", None)
    importlib.invalidate_caches()


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


def write_plugin(folder, name, top_level, modules):
    """Install a flat plugin of several modules, as `bench method new` writes one and its author goes on."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("\n".join(top_level) + "\n")
    (info / "entry_points.txt").write_text(f"[survbench.methods]\n{name} = {top_level[0]}:INFO\n")
    for module, text in modules.items():
        (folder / module).write_text(text)


def edited(path, text):
    path.write_text(text)
    clear()


def test_all_modules_of_a_flat_plugin_and_of_one_that_it_builds_on_are_followed(tmp_path, monkeypatch):
    write_plugin(
        tmp_path,
        "flat",
        ["flat_method", "flat_layers"],
        {"flat_method.py": "import flat_layers\nfrom other_method import Base\n", "flat_layers.py": "A = 1\n"},
    )
    write_plugin(tmp_path, "other", ["other_method"], {"other_method.py": "class Base: ...\n"})
    monkeypatch.syspath_prepend(tmp_path)
    prints = [code_fingerprint("flat_method")]
    for name in ("flat_layers.py", "other_method.py"):
        edited(tmp_path / name, "class Base: A = 2\n")
        prints.append(code_fingerprint("flat_method"))
    assert len(set(prints)) == 3


@pytest.mark.parametrize("home", ["pluginx/__init__.py", "pluginx/method.py"])
def test_weights_beside_a_plugin_are_part_of_its_key(tmp_path, monkeypatch, home):
    (tmp_path / "pluginx" / "data").mkdir(parents=True)
    (tmp_path / "pluginx" / "__init__.py").write_text("")
    (tmp_path / home).write_text("A = 1\n")
    (tmp_path / "pluginx" / "data" / "weights.bin").write_bytes(b"1")
    monkeypatch.syspath_prepend(tmp_path)
    root = home.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    before = code_fingerprint(root)
    (tmp_path / "pluginx" / "data" / "weights.bin").write_bytes(b"2")
    clear()
    assert code_fingerprint(root) != before


def test_what_only_type_checkers_import_is_not_run_and_what_a_function_imports_is(tmp_path, monkeypatch):
    (tmp_path / "pluginx").mkdir()
    (tmp_path / "pluginx" / "__init__.py").write_text("")
    (tmp_path / "pluginx" / "method.py").write_text(
        "import typing\n"
        "if typing.TYPE_CHECKING:\n    from pluginx import seen\nelse:\n    from pluginx import otherwise\n"
        "def f():\n    from pluginx import lazy\n"
    )
    for name in ("seen", "otherwise", "lazy"):
        (tmp_path / "pluginx" / f"{name}.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before, changed = code_fingerprint("pluginx.method"), set()
    for name in ("seen", "otherwise", "lazy"):
        edited(tmp_path / "pluginx" / f"{name}.py", "A = 2\n")
        if code_fingerprint("pluginx.method") != before:
            changed.add(name)
        edited(tmp_path / "pluginx" / f"{name}.py", "A = 1\n")
    assert changed == {"otherwise", "lazy"}


def test_a_module_in_another_encoding_and_one_that_cannot_run_stop_nothing(tmp_path, monkeypatch):
    (tmp_path / "latin.py").write_bytes("# -*- coding: latin-1 -*-\nimport wrong\nA = '\xe9'\n".encode("latin-1"))
    (tmp_path / "wrong.py").write_text("def (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert code_fingerprint("latin")
    assert code_fingerprint("wrong")
