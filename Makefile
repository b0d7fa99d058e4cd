# What a developer runs; docs/development.md explains. `make check` before every commit.
PYTHON := .venv/bin/python
LOCK := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"

.PHONY: dev check test bench e2e lock release

dev: ## .venv with the development tools, and the .ns/ links that let mypy see the mapped folders
	./install.sh dev

check: dev ## format, lint, types, unit tests, and whether the mutants' texts still stand in the source
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -q tests/unit tests/arch -m "not slow and not long"
	$(PYTHON) -m pytest -q tests/mutants -k can_be_made

test: ## the whole suite but the long ones; `./install.sh test --all` adds those
	./install.sh test

bench: dev ## the table of docs/benchmarks.md, also as JSON under bench-results/
	$(PYTHON) -m tests.bench

e2e: dev ## real processes, real Kubo
	PINCREW_REQUIRE_KUBO=1 ./install.sh test tests/e2e

lock: ## new versions within pyproject.toml's bounds, with hashes
	$(LOCK) --upgrade --overrides packaging/overrides.txt pyproject.toml -o packaging/requirements.lock
	$(LOCK) --upgrade -c packaging/requirements.lock --group build -o packaging/requirements-build.lock
	$(LOCK) --upgrade -c packaging/requirements.lock --group dev -o packaging/requirements-dev.lock

release: check ## sdist and wheel in dist/, after the tests passed on them
	rm -rf dist build
	$(PYTHON) -m build --no-isolation
	$(PYTHON) -m pytest -q tests/arch
