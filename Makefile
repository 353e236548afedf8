# The two commands: `make demo` runs the main job, `make test` proves the package. Both start from a clean clone.
PY ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check docs bench clean help
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/  /'

# PyTorch first and alone, so that no dependency can pull another build; everything else at the versions in the file.
$(STAMP): pyproject.toml constraints.txt
	$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "calm needs Python 3.11 or newer: make PY=python3.11")'
	$(PY) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP)  ## the main job, for real: converse, train, judge, report (about 4 minutes, offline after the first time)
	$(BIN)/calm demo

test: $(STAMP)  ## all tests and all checks
	$(BIN)/python -m pytest --ignore tests/train
	$(BIN)/python -m pytest tests/train  # a process of its own: after all the others it crashed once in native code
	@$(MAKE) --no-print-directory check

check: $(STAMP)  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check src
	$(BIN)/lint-imports

docs: $(STAMP)  ## run the code blocks of README and docs
	$(BIN)/python -m pytest tests/test_docs.py

clean:  ## remove what make made (not the model cache)
	rm -rf .venv out .pytest_cache .ruff_cache .hypothesis .import_linter_cache
