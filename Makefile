# All commands; `make help` lists them. Each installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
TIER ?= laptop
TARGETS ?= all
CONFIG = config/$(TIER).yaml
SNAKEMAKE = .venv/bin/snakemake
VERIFY = .venv/bin/python -m workflow_scripts.operate.verify $(TARGETS) --configfile $(CONFIG)
# Two processes, each of which takes whole files of tests, in the order of tests/conftest.py.
SIDE_BY_SIDE = -n 2 --dist loadfile --no-loadscope-reorder
export STUDY_COMMAND = make $@ TIER=$(TIER) TARGETS='$(TARGETS)'

.DEFAULT_GOAL := help
COMMANDS := help install study resume verify why record publish restore cost gpu-check benchmark \
	check lint format types configuration-page test test-fast torture clean
.PHONY: $(COMMANDS)

# A mistyped word must not run something else: make ignores variables that it does not know.
UNKNOWN := $(filter-out $(COMMANDS) .venv/%,$(MAKECMDGOALS))
ifneq ($(UNKNOWN),)
    $(error no command $(UNKNOWN); a target of the study is named so: make study TARGETS='$(UNKNOWN)')
endif
ifdef tier
    $(error tier=$(tier): write TIER=$(tier))
endif
ifdef targets
    $(error targets=$(targets): write TARGETS='$(targets)')
endif
ifeq ($(wildcard $(CONFIG)),)
    $(error no tier $(TIER): there is no $(CONFIG); tiers: $(filter-out default,$(patsubst config/%.yaml,%,$(wildcard config/*.yaml))))
endif

help: ## Show the commands.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: .venv/.installed ## Create .venv and install the pinned packages.

.venv/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --requirement requirements.txt
	@touch $@

# What tests and checks need besides: users of the study install none of it.
.venv/.tools: .venv/.installed requirements-dev.txt
	.venv/bin/pip install --quiet --requirement requirements-dev.txt
	@touch $@

study: install ## Run every figure, table and claim of a tier (TIER=laptop, smoke, gpu, paper; TARGETS=main).
	@$(SNAKEMAKE) $(TARGETS) --configfile $(CONFIG)

resume: install ## On SLURM, after a snakemake that was killed: wait for its jobs (CANCEL=yes: cancel), go on.
	@.venv/bin/python -m workflow_scripts.operate.cluster --tier $(TIER) $(if $(CANCEL),--cancel)
	@$(SNAKEMAKE) $(TARGETS) --configfile $(CONFIG) --workflow-profile profiles/slurm

verify: install ## Read every file of TARGETS: is each what its job made, from what is there now?
	@$(VERIFY)

why: install ## Say in one line per job why it would run (TIER=laptop TARGETS=main).
	@$(VERIFY) --why

record: install ## Keep what is shown of TARGETS, once all of it is good, in results/reference.
	@.venv/bin/python -m workflow_scripts.operate.record $(TARGETS) --tier $(TIER)

publish: install ## Push a finished tier to a DVC remote (TIER=laptop REMOTE=/a/folder or s3://bucket/prefix).
	@test -n "$(REMOTE)" || { echo "where to? make publish TIER=$(TIER) REMOTE=/a/folder or s3://bucket/prefix"; exit 1; }
	@.venv/bin/python -m workflow_scripts.operate.sharing publish --tier $(TIER) --remote '$(REMOTE)'

restore: install ## Pull a published tier into a fresh clone and verify it (TIER=laptop).
	@.venv/bin/python -m workflow_scripts.operate.sharing restore --tier $(TIER)

cost: install ## Tell what a tier would cost, by stage and target, before anything runs (TIER=paper).
	@$(SNAKEMAKE) cost --configfile $(CONFIG) --quiet host progress rules

gpu-check: install ## Measure what a step takes on this GPU, for make cost (20 minutes at most).
	.venv/bin/python -m workflow_scripts.cost.gpu_check --output results/gpu-check
	@echo "For make cost: mkdir -p results/reference/gpu && cp results/gpu-check/rates.* results/reference/gpu"

benchmark: install ## Time to Table 1 from nothing, by stage, and RL steps against TRL's (about an hour).
	rm -rf data/benchmark results/benchmark
	SECONDS=0 \
		&& $(SNAKEMAKE) table1 --configfile config/laptop.yaml --config tier=benchmark \
		&& echo "Time to Table 1: $$((SECONDS / 60)) minutes on $$(nproc) cores" \
		&& .venv/bin/python -m workflow_scripts.cost.measured --tier benchmark
	$(SNAKEMAKE) rl_benchmark --configfile config/laptop.yaml --config tier=benchmark

check: lint types test-fast ## What a change should pass before it is committed (4 minutes).

lint: .venv/.tools ## Find faults of style, and a page of settings that is out of date.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/python -m workflow_scripts.plan.configuration_page --check

format: .venv/.tools ## Mend what a program can mend of the style.
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile rules

types: .venv/.tools ## Check the types.
	.venv/bin/mypy

configuration-page: install ## Write docs/configuration.md from the descriptions of the settings.
	.venv/bin/python -m workflow_scripts.plan.configuration_page

test: .venv/.tools ## Run all tests, the whole smoke tier among them (18 minutes on two cores).
	.venv/bin/python -m pytest $(SIDE_BY_SIDE)

test-fast: .venv/.tools ## Run the tests that train nothing and start no study.
	.venv/bin/python -m pytest $(SIDE_BY_SIDE) -m 'not slow'

torture: .venv/.tools ## Kill a small study a hundred times, damage its checkpoints, and compare (half an hour).
	.venv/bin/python -m pytest -s tests/workflow/test_kills.py --kills 100

clean: ## Remove everything that the workflow made for a tier.
	rm -rf data/$(TIER) results/$(TIER)
