"""Check an environment into which only the wheel was installed: ``check_wheel.py ENVIRONMENT``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import survbench as sb
study = sb.run("volume", profile="smoke", out="results")
print(sb.__file__, *study.board.to_frame()["status"])
"""
BARE = ("benchmark", "models", "features", "datasets", "leaderboard")


def main() -> None:
    """End with 1 and a sentence if something is wrong."""
    binaries = (Path(sys.argv[1]) / "bin").absolute()
    for name in BARE:
        found = subprocess.run([binaries / "python", "-c", f"import {name}"], capture_output=True, cwd="/", check=False)
        if found.returncode == 0:
            sys.exit(f"'import {name}' works: the wheel pollutes the namespace")
    listed = subprocess.run(
        [binaries / "bench", "list", "methods", "--json"], capture_output=True, cwd="/", check=True, text=True
    )
    broken = [m["name"] for m in json.loads(listed.stdout) if not m["available"]]
    if broken:
        sys.exit(f"methods that do not work from the wheel: {', '.join(broken)}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "survbench").symlink_to(ROOT)
        (folder / "script.py").write_text(SCRIPT, encoding="utf-8")
        command = [binaries / "python", "script.py"]
        ran = subprocess.run(command, cwd=folder, capture_output=True, check=False, text=True)
    file, _, status = ran.stdout.strip().rpartition(" ")
    if status != "ok" or not Path(file).is_relative_to(binaries.parent):
        sys.exit(f"a script beside a clone does not run the wheel: {ran.stdout}{ran.stderr}")


if __name__ == "__main__":
    main()
