"""Check an environment into which only the wheel was installed: ``check_wheel.py ENVIRONMENT``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


if __name__ == "__main__":
    main()
