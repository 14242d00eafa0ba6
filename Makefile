# Two commands set everything up on a fresh machine: `make demo` and `make test`.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
# Test files at a time. What takes long to build is built once and shared by all workers (.pytest_cache/eccl).
TEST_WORKERS ?= 2
BIN := $(VENV)/bin
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS := 120
export DVC_NO_ANALYTICS := true
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: install demo test test-all lint docs bench lock clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "Installing (a few minutes the first time; log in $(VENV)/install.log) ..."
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,s3,dask,docs]' > $(VENV)/install.log 2>&1 \
		|| { tail -n 20 $(VENV)/install.log; exit 1; }
	@touch $@

demo: install
	$(BIN)/eccl demo demo

PYTEST := $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

# The default suite: some minutes. `make test-all` adds the tests that are marked slow.
test: install
	$(PYTEST)

test-all: install
	$(PYTEST) -m ""

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/id_guard.py

# The documentation site, in site/. Pages open from the folder; the build needs no network.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Built site/index.html"

bench: install
	$(BIN)/python -m benchmarks

lock: install
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf demo .pytest_cache .mypy_cache .ruff_cache
