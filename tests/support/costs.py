"""Studies of which only what they say of patients and models can differ, not how long a machine took."""

from __future__ import annotations

import shutil

from survbench.actions.build import BUILT, build_and_write
from survbench.runs.store import write_run

COSTS = ("seconds", "seconds_fit", "seconds_predict", "cpu_seconds", "peak_memory_mb")


def files_at_equal_costs(study, store):
    """Give every run of a study the same costs, build its board and site, and return all files by name."""
    for key in study.run_keys():
        run = store.read(key)
        with store.writing(key) as part:
            for path in run.folder.rglob("*"):
                if path.is_file() and path.name != "DONE":
                    (part / path.relative_to(run.folder)).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, part / path.relative_to(run.folder))
            write_run(part, run.job, run.record.model_copy(update=dict.fromkeys(COSTS, 1)))
    build_and_write(study, store)
    folder = study.folder(store.root)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    del files[BUILT]  # a hash of logs too, which hold times
    return files
