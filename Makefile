# Each target works alone on a fresh machine: it makes .venv, installs what constraints.txt pins, and runs.
PYTHON ?= python3
# Tests and benchmarks run several processes on few cores: one thread each.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test soak check bench docs clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(STAMP)
	$(BIN)/prunescope demo

test: $(STAMP)
	$(BIN)/python -m pytest -n auto -m "not soak"

soak: $(STAMP)
	$(BIN)/python -m pytest -n auto -m soak

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m bench

docs: $(STAMP)
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/notebooks.py

clean:
	rm -rf .venv
