# SomaMemory: every target is one line; `make help` lists them.
SHELL := /bin/bash
PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest --numprocesses=2 --dist=loadscope --no-loadscope-reorder
READY := .venv/.ready
LOCKS := requirements/dev.txt requirements/uv.txt
COMPILED := hatch_build.py $(wildcard memory_server/kernels/*.pyx memory_server/kernels/*.pxd front/*.go front/go.*)
.DEFAULT_GOAL := help

.PHONY: help setup demo demo-down doctor tools cluster cluster-down images lint format types layers generated unit contract integration e2e test chaos scale bench bench-streams bench-recall bench-peers proto crds docs lock check clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## (.*)/\1|\2/' | column -t -s '|'

$(READY): pyproject.toml $(LOCKS) $(COMPILED)
	@bash dev/bootstrap.sh

setup: $(READY) ## Make the Python environment in .venv from the hash-pinned locks, and compile what is not Python

demo: $(READY) ## Run the main job: a cluster, the operator, a SomaMemory, store and recall
	@$(PYTHON) -m soma_dev demo

demo-down: $(READY) ## Remove everything that `make demo` made
	@$(PYTHON) -m soma_dev demo-down

doctor: $(READY) ## Say what is present, what would be built, and how long it takes
	@$(PYTHON) -m soma_dev doctor

tools: $(READY) ## Build the pinned tools that this machine lacks into the cache
	@$(PYTHON) -m soma_dev tools

cluster: $(READY) ## Start the test cluster and print its KUBECONFIG
	@$(PYTHON) -m soma_dev cluster-up

cluster-down: $(READY) ## Stop the test cluster
	@$(PYTHON) -m soma_dev cluster-down

images: $(READY) ## Build both images from the Dockerfile
	@$(PYTHON) -m soma_dev images

lint: $(READY) ## Lint and check the format
	@$(PYTHON) -m ruff check . && $(PYTHON) -m black --check --quiet .

format: $(READY) ## Format the code
	@$(PYTHON) -m ruff check --fix --quiet . && $(PYTHON) -m black --quiet .

types: $(READY) ## Check the types
	@$(PYTHON) -m mypy

layers: $(READY) ## Check who imports whom
	@.venv/bin/lint-imports

generated: $(READY) ## Check that generated files are what their sources give
	@$(PYTHON) -m soma_dev generate --check

unit: $(READY) ## Tests within the process
	@$(PYTEST) tests/unit

contract: $(READY) ## Every adapter against the promises of its port
	@$(PYTEST) tests/contract

integration: $(READY) tools ## Tests against a real API server and a real server process
	@$(PYTEST) tests/integration

e2e: $(READY) tools images ## The user's story on a real node with real pods
	@$(PYTHON) -m pytest tests/e2e

test: $(READY) tools images ## All tests
	@$(PYTEST) tests/unit tests/contract tests/integration tests/e2e

chaos: $(READY) tools ## Long forms of the fault tests
	@$(PYTHON) -m pytest tests/chaos

scale: $(READY) ## A thousand resources on played nodes; OPTIONS=--beside or --crowd: a peer, --churn: an hour of coming and going
	@$(PYTHON) -m tests.bench.operator $(OPTIONS)

bench: $(READY) ## Benchmarks; JSON in docs/benchmarks/
	@$(PYTHON) -m tests.bench

bench-streams: $(READY) ## Streams against single calls and SQLite; JSON in docs/benchmarks/
	@$(PYTHON) -m tests.bench.streams

bench-recall: $(READY) ## Quality of recall on seeded conversations
	@$(PYTHON) -m tests.bench.recall

bench-peers: $(READY) ## Peers on the same vectors, each in an environment of its own
	@$(PYTHON) -m tests.bench.peers

proto: $(READY) ## Generate code from proto/
	@$(PYTHON) -m soma_dev generate proto

crds: $(READY) ## Generate crds/ and the chart's copy from the API types
	@$(PYTHON) -m soma_dev generate crds

docs: $(READY) ## Generate the reference pages
	@$(PYTHON) -m soma_dev generate docs

lock: $(READY) ## Resolve the lock files anew
	@bash dev/lock.sh

check: lint types layers generated test ## What CI runs

clean: ## Remove the environment and the caches of this checkout
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist memory_server/kernels/*.{c,so} memory_server/transport/front/soma-front
