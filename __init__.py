"""A clone of survbench, not the package: where a folder ``survbench`` lies beside a script, Python takes it for the
package. Then the survbench that is installed takes over.
"""

import sys
from importlib.util import module_from_spec
from pathlib import Path

if __name__ == "survbench":
    _beside = Path(__file__).parent.parent.resolve()  # the folder itself may be a link
    _elsewhere = [entry for entry in sys.path if Path(entry).resolve() != _beside]
    _found = (finder.find_spec(__name__, _elsewhere) for finder in sys.meta_path)
    # a folder without an __init__.py is found, too; it has no loader
    _spec = next((spec for spec in _found if spec is not None and spec.loader is not None), None)
    if _spec is None or _spec.loader is None:
        raise ImportError(
            f"{Path(__file__).parent} is a clone of survbench, and survbench is not installed in {sys.executable}. "
            "Run 'make setup' in the clone and start your script with its .venv/bin/python, or install survbench "
            "with pip."
        )
    sys.modules[__name__] = _installed = module_from_spec(_spec)  # 'import' hands out what stands here at the end
    _spec.loader.exec_module(_installed)
