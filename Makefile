PYTHON ?= python

.DEFAULT_GOAL := help
.PHONY: help check test ci build docs bench clients serve screenshots

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: ## lint, format and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test: ## all tests; choose some with ARGS="tests/unit -k paging"
	$(PYTHON) -m pytest $(ARGS)

ci: ## what must pass before a change lands, in a fresh environment
	bash .ci/run

build: ## sdist and wheel, in dist/
	$(PYTHON) -m build

docs: ## the options in docs/options.md made anew, and the site in build/site
	$(PYTHON) docs/site/options.py
	$(PYTHON) docs/site/build.py build/site

bench: ## the benchmarks of docs/performance.md, as one table; choose some with ARGS="--quick adding", write it with ARGS=--write
	$(PYTHON) -m benchmarks.performance $(ARGS)

clients: ## sessions with every client, each in its own environment; choose some with ARGS="az npm --keep DIR"
	$(PYTHON) examples/sdk/every_client.py $(ARGS)

serve: ## the local Azure in the foreground
	$(PYTHON) -m localbatch $(ARGS)

screenshots: ## the pictures of Prefect's UI in docs/ui/, made anew
	$(PYTHON) -m docs.screenshots
