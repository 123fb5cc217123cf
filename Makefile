# One word, the same answer here and in CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test check format soak clean
help: ## list the words
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv with everything that is needed
$(STAMP): pyproject.toml constraints.txt requirements-dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt -e .
	touch $(STAMP)

demo: $(STAMP) ## four families on real digits, a report at the end
	$(BIN)/netwright compare digits --budget 3s

test: $(STAMP) ## every fast test
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not cuda and not soak"

soak: $(STAMP) ## the long ones
	$(BIN)/python -m pytest -q -m "soak"

check: $(STAMP) ## format, lint, types, import rules
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## format and mend what can be mended
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

clean: ## remove what was built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
