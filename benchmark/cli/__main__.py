"""``python -m survbench.cli``: the ``bench`` command without its script."""

from survbench.cli import main

main()
