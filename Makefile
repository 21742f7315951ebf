# `make bench` and `make test` are all that a fresh machine needs; both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
# in this folder `import datasets` would otherwise find ours instead of somebody else's
export PYTHONSAFEPATH := 1
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export MLFLOW_DISABLE_TELEMETRY := true
PIP := $(BIN)/pip install --disable-pip-version-check
# in the order of the files: by default those with the fewest tests, some of which take minutes, come last on one core
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: setup bench test test-all speed lint types structure pages site clean

setup: .venv/complete

# torch first: in the other order some indexes give a build for GPUs that are not there
.venv/complete: pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "Python 3.11 or 3.12 is needed; name it with: make PYTHON=python3.12"; exit 2; }
	@echo "Setting up .venv: three to five minutes, longer where the network is slow; 5 GB of disk"
	@echo "1 of 3: torch, the largest download"
	$(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' requirements.lock)"
	@echo "2 of 3: the other libraries"
	$(PIP) -r requirements.lock
	@echo "3 of 3: survbench"
	$(PIP) --no-deps -e .
	@touch $@
	@echo "Done. 'source .venv/bin/activate' puts the command 'bench' into this shell."

bench: setup
	$(BIN)/bench run --methods all

test: setup
	$(PYTEST) -m "not slow" -q

test-all: setup
	$(PYTEST) -q

# the scripts import each other, which PYTHONSAFEPATH keeps them from
speed: setup
	PYTHONSAFEPATH= $(BIN)/python speed/run.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# on the built wheel: in the source tree the package's folders lie apart, and tools do not find them
types: setup
	rm -rf build/wheel build/types build/lib build/bdist.*  # what was built before must not come back
	$(BIN)/python -m build --quiet --wheel --outdir build/wheel
	$(BIN)/pip install --quiet --no-deps --target build/types build/wheel/*.whl
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml
	cd build/types && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml

# rooms, modules, lines and imports of the code; fails where an import runs up or in a circle
structure: types
	cd build/types && PYTHONPATH=. ../../$(BIN)/python ../../docs/scripts/structure.py

# the pages of the reference that are made from code
pages: setup
	for page in docs/scripts/*_page.py; do $(BIN)/python $$page || exit 1; done

# the documentation as a site, in build/site/index.html
site: setup
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/site

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache *.egg-info
