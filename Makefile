# The two commands: `make study` and `make test`. Each installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
TIER ?= laptop
TARGETS ?= all
SNAKEMAKE = .venv/bin/snakemake
FINISHED = @plan="$$($(SNAKEMAKE) $(TARGETS) --dry-run --configfile config/$(TIER).yaml 2>&1)" \
	|| { tail -n 1 <<< "$$plan"; exit 1; }; \
	grep -q "Nothing to be done" <<< "$$plan" \
	|| { echo "not finished: make study TIER=$(TIER) TARGETS='$(TARGETS)'"; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help install study resume test benchmark torture cost gpu-check why record publish restore clean

help: ## Show the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .venv/.installed ## Create .venv and install the pinned packages.

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

study: install ## Run every figure, table and claim of a tier (TIER=laptop, smoke, gpu, paper; TARGETS=main).
	$(SNAKEMAKE) $(TARGETS) --configfile config/$(TIER).yaml
	@echo "Done: $(TARGETS) in results/$(TIER)"

resume: install ## On SLURM, after a snakemake that was killed: wait for its jobs (CANCEL=yes: cancel), go on.
	.venv/bin/python -m workflow_scripts.cluster --tier $(TIER) $(if $(CANCEL),--cancel)
	$(SNAKEMAKE) $(TARGETS) --configfile config/$(TIER).yaml --unlock
	$(SNAKEMAKE) $(TARGETS) --configfile config/$(TIER).yaml --workflow-profile profiles/slurm

test: install ## Run the tests, the whole smoke tier among them.
	.venv/bin/python -m pytest

benchmark: install ## Time to Table 1 from nothing, by stage, and RL steps against TRL's (about an hour).
	rm -rf data/benchmark results/benchmark
	SECONDS=0 \
		&& $(SNAKEMAKE) table1 --configfile config/laptop.yaml --config tier=benchmark \
		&& echo "Time to Table 1: $$((SECONDS / 60)) minutes on $$(nproc) cores" \
		&& .venv/bin/python -m workflow_scripts.report.cost --tier benchmark
	$(SNAKEMAKE) rl_benchmark --configfile config/laptop.yaml --config tier=benchmark

torture: install ## Kill a small study a hundred times, damage its checkpoints, and compare (half an hour).
	.venv/bin/python -m pytest -s tests/workflow/test_kills.py --kills 100

cost: install ## Tell what a tier would cost, by stage and target, before anything runs (TIER=paper).
	@$(SNAKEMAKE) cost --configfile config/$(TIER).yaml --quiet host progress rules

gpu-check: install ## Measure what a step takes on this GPU, for make cost (20 minutes at most).
	.venv/bin/python -m workflow_scripts.gpu_check --output results/gpu-check
	@echo "For make cost: mkdir -p results/reference/gpu && cp results/gpu-check/rates.* results/reference/gpu"

why: install ## Say in one line per job why it would run (TIER=laptop TARGETS=main).
	@.venv/bin/python -m workflow_scripts.why $(TARGETS) --configfile config/$(TIER).yaml

record: install ## Keep what is shown of TARGETS, once it is up to date, in results/reference.
	$(FINISHED)
	.venv/bin/python -m workflow_scripts.report.record --tier $(TIER)

publish: install ## Push a finished tier to a DVC remote (TIER=laptop REMOTE=/a/folder or s3://bucket/prefix).
	@test -n "$(REMOTE)" || { echo "where to? make publish TIER=$(TIER) REMOTE=/a/folder or s3://bucket/prefix"; exit 1; }
	$(FINISHED)
	.venv/bin/python -m workflow_scripts.sharing publish --tier $(TIER) --remote '$(REMOTE)'

restore: install ## Pull a published tier into a fresh clone and verify it (TIER=laptop).
	.venv/bin/python -m workflow_scripts.sharing restore --tier $(TIER)

clean: ## Remove everything that the workflow made for a tier.
	@test -f config/$(TIER).yaml || { echo "no tier $(TIER) in config/"; exit 1; }
	rm -rf data/$(TIER) results/$(TIER)
