# The menu of everything; `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test prove check docs format bench litellm agentdojo crash powercut shape parts clean

PY := .venv/bin/python
ROUNDS ?= 200
ARGS ?=
TESTS ?= tests
# As many processes as there are cores, up to four; JOBS=0 runs everything in one.
JOBS ?= auto
SPREAD := -n $(JOBS) --maxprocesses 4 --dist loadscope --no-loadscope-reorder

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: .venv/.run ## install what is needed into .venv, and start the gateway (ARGS="--port 8000")
	@exec .venv/bin/carapax serve $(ARGS)

test: .venv/.dev parts ## install what the suite needs, and run it (TESTS=tests/store for a part)
	@$(PY) -m pytest $(SPREAD) $(TESTS)

prove: .venv/.dev parts .venv-agentdojo/.ready ## run the programmes that prove the guard, and print their figures
	@$(PY) -m pytest $(SPREAD) tests/proof

check: .venv/.dev ## style, types, layers, architecture and claims
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo
	$(PY) -m pytest tests/test_architecture.py tests/test_claims.py

docs: .venv/.dev ## write docs/reference/ from the code
	@$(PY) -m docs.generate

format: .venv/.dev ## format the code
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

bench: .venv/.dev ## measure speed and memory against their floors, and add the table to bench/results.md
	@$(PY) -m bench

litellm: ## install litellm, 390 MB, into .venv-litellm, where its tests find it
	@[ -x .venv-litellm/bin/python ] || python3 -m venv .venv-litellm
	@.venv-litellm/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[litellm]'

agentdojo: .venv-agentdojo/.ready ## install agentdojo, 290 MB, into .venv-agentdojo, where its programme finds it

crash: .venv/.dev ## kill the gateway at random under load and count what is lost or done twice (ROUNDS=200)
	@$(PY) -m bench.crash --rounds $(ROUNDS)

powercut: .venv/.dev ## cut the power of an emulated disk and count what is lost (needs root)
	@$(PY) -m bench.powercut

shape: .venv/.dev ## sizes of files and functions, import times, layers
	@$(PY) -m bench.shape

clean: ## remove everything that can be made again
	rm -rf .venv .venv-* build dist .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.run: pyproject.toml
	@.ci/install .
	@touch $@

.venv/.dev: pyproject.toml
	@.ci/install '.[dev]'
	@touch $@ .venv/.run

.venv-agentdojo/.ready: pyproject.toml
	@[ -x .venv-agentdojo/bin/python ] || python3 -m venv .venv-agentdojo
	@.venv-agentdojo/bin/python -m pip install --quiet --disable-pip-version-check --editable . agentdojo==0.1.35 pytest
	@touch $@

parts:
	@.ci/parts
