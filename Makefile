# The two commands: `make study` and `make test`. Each installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
TIER ?= laptop
TARGETS ?= all
SNAKEMAKE = .venv/bin/snakemake

.DEFAULT_GOAL := help
.PHONY: help install study test benchmark record clean

help: ## Show the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .venv/.installed ## Create .venv and install the pinned packages.

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

study: install ## Run every figure, table and claim of a tier (TIER=laptop, smoke, paper; TARGETS=main).
	$(SNAKEMAKE) $(TARGETS) --configfile config/$(TIER).yaml
	@echo "Done: $(TARGETS) in results/$(TIER)"

test: install ## Run the tests, the whole smoke tier among them.
	.venv/bin/python -m pytest

benchmark: install ## Time to Table 1 from nothing, by stage, and RL steps against TRL's (about an hour).
	rm -rf data/benchmark results/benchmark
	SECONDS=0 \
		&& $(SNAKEMAKE) table1 --configfile config/laptop.yaml --config tier=benchmark \
		&& echo "Time to Table 1: $$((SECONDS / 60)) minutes on $$(nproc) cores" \
		&& .venv/bin/python -m workflow_scripts.report.cost --tier benchmark
	$(SNAKEMAKE) rl_benchmark --configfile config/laptop.yaml --config tier=benchmark

record: install ## Keep what is shown of TARGETS, once it is up to date, in results/reference.
	@$(SNAKEMAKE) $(TARGETS) --dry-run --configfile config/$(TIER).yaml 2>&1 \
		| grep -q "Nothing to be done" \
		|| { echo "not finished: make study TIER=$(TIER) TARGETS='$(TARGETS)'"; exit 1; }
	.venv/bin/python -m workflow_scripts.report.record --tier $(TIER)

clean: ## Remove everything that the workflow made for a tier.
	@test -f config/$(TIER).yaml || { echo "no tier $(TIER) in config/"; exit 1; }
	rm -rf data/$(TIER) results/$(TIER)
