"""Write r.json anew with the R that is installed: ``remake_r.py``; r.R says which packages it needs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "support"))

from reference_values import DATA_SETS, data_set  # noqa: E402


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name in DATA_SETS:
            data = data_set(name)
            table = pd.DataFrame({"time": data.time, "event": data.event.astype(int), **data.columns})
            table.to_csv(Path(folder) / f"{name}.csv", index=False)
        command = ["Rscript", "--vanilla", str(HERE / "r.R"), folder]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    (HERE / "r.json").write_text(json.dumps(json.loads(printed)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
