PYTHON ?= python

.DEFAULT_GOAL := help
.PHONY: help check test bench clients serve

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

check: ## lint and types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

test: ## all tests; choose some with ARGS="tests/unit -k paging"
	$(PYTHON) -m pytest $(ARGS)

bench: ## run every program in benchmarks/
	@set -e; for program in benchmarks/*.py; do \
		case $$program in "benchmarks/*.py"|*/_*) continue;; esac; \
		echo "== $$program"; $(PYTHON) $$program; \
	done

clients: ## sessions with every client, each in its own environment; choose some with ARGS="az npm --keep DIR"
	$(PYTHON) examples/sdk/every_client.py $(ARGS)

serve: ## the local Azure in the foreground
	$(PYTHON) -m localbatch $(ARGS)
