# The two commands: `make study` and `make test`. Each installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
TIER ?= laptop

.DEFAULT_GOAL := help
.PHONY: help install study test record clean

help: ## Show the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .venv/.installed ## Create .venv and install the pinned packages.

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

study: install ## Run every figure, table and claim of a tier (TIER=laptop, smoke, paper).
	.venv/bin/snakemake all --configfile config/$(TIER).yaml
	@echo "Done: results/$(TIER)/claims.md, results/$(TIER)/tables, results/$(TIER)/figures"

test: install ## Run the tests, the whole smoke tier among them.
	.venv/bin/python -m pytest

record: install ## Keep the tables, figures, claims and records of a finished tier in results/reference.
	@.venv/bin/snakemake all --dry-run --configfile config/$(TIER).yaml 2>&1 \
		| grep -q "Nothing to be done" \
		|| { echo "the tier $(TIER) is not finished: make study TIER=$(TIER)"; exit 1; }
	.venv/bin/python -m workflow_scripts.report.record --tier $(TIER)

clean: ## Remove everything that the workflow made for a tier.
	@test -f config/$(TIER).yaml || { echo "no tier $(TIER) in config/"; exit 1; }
	rm -rf data/$(TIER) results/$(TIER)
