"""The memory that is free is that of the tightest control group."""

from __future__ import annotations

import psutil
from survbench.io import memory

GB = 2**30


def write(group, **files):
    group.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (group / name.replace("__", ".")).write_text(text)


def test_version_2_counts_the_limits_of_groups_above_and_not_the_files_that_can_go(tmp_path, monkeypatch):
    (tmp_path / "own").write_text("0::/batch/job\n")
    monkeypatch.setattr(memory, "OWN", tmp_path / "own")
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "groups")
    stat = f"anon 5\ninactive_file {GB // 2}\n"
    write(tmp_path / "groups/batch/job", memory__max="max\n", memory__current=f"{GB}\n", memory__stat=stat)
    assert 0 < memory.available_memory() <= psutil.virtual_memory().total
    write(tmp_path / "groups/batch", memory__max=f"{GB}\n", memory__current=f"{GB}\n", memory__stat=stat)
    assert memory.available_memory() == GB // 2


def test_version_1_has_other_names(tmp_path, monkeypatch):
    (tmp_path / "own").write_text("8:pids:/\n4:memory:/job\n")
    monkeypatch.setattr(memory, "OWN", tmp_path / "own")
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    of_memory = {"memory__limit_in_bytes": f"{GB}\n", "memory__usage_in_bytes": f"{GB // 4}\n"}
    write(tmp_path / "memory/job", **of_memory, memory__stat="total_inactive_file 0\n")
    assert memory.available_memory() == GB - GB // 4
