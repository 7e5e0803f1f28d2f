# Every target works on a fresh machine with Python 3.11 or newer and nothing else. `make` alone lists them.
# The virtualenv is .venv; a stamp in it says which locked requirements it holds, so repeats are instant.

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo "$$python"; break; fi; done)
BIN := .venv/bin
UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" pyproject.toml
# Errors are shown, warnings about the machine's own pip settings are not.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

.PHONY: help demo test lint format bench docs lock wheel clean

help:
	@echo "make demo [KEEP=1]   run the main job against an AWS and an SSH server on loopback"
	@echo "make test [ARGS=…]   install what the tests need, then run them all (ARGS goes to pytest)"
	@echo "make lint            ruff, mypy --strict and the import layers"
	@echo "make format          let ruff format the code"
	@echo "make bench           print the figures, each beside its physical limit"
	@echo "make docs            write the pages that are made from the code: the command line and the settings"
	@echo "make lock            resolve the dependencies anew into requirements/*.txt"
	@echo "make wheel           build the wheel into dist/"
	@echo "make clean           remove what the other targets made"

demo: .venv/.demo-installed
	@KEEP="$(KEEP)" $(BIN)/python -m st_ops.demo

test: .venv/.dev-installed
	@$(BIN)/python -m tests.servers.install
	@$(BIN)/python -m pytest $(ARGS)

lint: .venv/.dev-installed
	@failed=0; \
	for check in "ruff check ." "ruff format --check ." "mypy" "lint-imports --no-logo"; do \
		echo "$$check"; $(BIN)/$$check || failed=1; \
	done; exit $$failed

format: .venv/.dev-installed
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/.dev-installed
	@$(BIN)/python -m benchmarks $(ARGS)

docs: .venv/.dev-installed
	@$(BIN)/python -m tests.architecture.reference_pages

# The demo's and the image's versions are the tests' versions.
lock: .venv/.dev-installed
	$(UV_COMPILE) --group dev -o requirements/dev.txt
	$(UV_COMPILE) --group demo --constraint requirements/dev.txt --no-annotate -o requirements/demo.txt
	$(UV_COMPILE) --group build --constraint requirements/dev.txt --no-annotate -o requirements/runtime.txt

wheel: .venv/.dev-installed
	$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean:
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .test-servers
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "st_ops needs Python 3.11 or newer with venv (on Debian: apt install python3-venv)," >&2; \
		echo "and found none on the PATH; name one with: make PYTHON=/path/to/python3" >&2; exit 1; fi
	"$(PYTHON)" -m venv .venv

# The package itself is installed in place (editable), without asking an index: hatchling is in the lock file.
.venv/.%-installed: requirements/%.txt pyproject.toml | .venv/bin/python
	@echo "Installing $< into .venv"
	@$(PIP_INSTALL) --require-hashes -r $<
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
