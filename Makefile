# All commands; `make help` lists them. Each installs what it needs first.
SHELL := /bin/bash
PYTHON ?= python3
TIER ?= laptop
TARGETS ?= all
CONFIG = config/$(TIER).yaml
SNAKEMAKE = .venv/bin/snakemake
# With the view of a running study, a plugin that python -m finds in this folder.
WATCHED = .venv/bin/python -m snakemake
VIEW = --logger study
# Only some seeds of the tier: SEEDS=10,11,12
CHOSEN = --configfile $(CONFIG) $(if $(SEEDS),--config 'seeds=[$(SEEDS)]')
RECORDED_PAGE = .venv/bin/python -m workflow_scripts.operate.report --recorded --configfile $(CONFIG)
VERIFY = .venv/bin/python -m workflow_scripts.operate.verify $(TARGETS) $(CHOSEN)
# Two processes, each of which takes whole files of tests, in the order of tests/conftest.py.
SIDE_BY_SIDE = -n 2 --dist loadfile --no-loadscope-reorder --durations 20
# One thread each: on two cores, more threads of one process would wait for those of the other.
test test-fast: export OMP_NUM_THREADS := 1
export STUDY_COMMAND = make $@ TIER=$(TIER) TARGETS='$(TARGETS)'$(if $(SEEDS), SEEDS=$(SEEDS))

.DEFAULT_GOAL := help
COMMANDS := help install demo study resume status verify why compare report reference redraw publish restore cost \
	gpu-check benchmark check lint format types configuration-page test test-fast torture clean
.PHONY: $(COMMANDS)

# Refuse mistyped words: without this, make ignores unknown variables and runs the defaults.
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

demo: install ## See it at work: what models write, and RL, live, in one or two minutes.
	@.venv/bin/python -m workflow_scripts.operate.demo

study: install ## Run every figure, table and claim of a tier (TIER=laptop, smoke, gpu, paper; TARGETS=main).
	@$(WATCHED) $(TARGETS) $(CHOSEN) $(VIEW)

resume: install ## After snakemake was killed, on SLURM: wait for its jobs (CANCEL=yes cancels them), then continue.
	@.venv/bin/python -m workflow_scripts.operate.cluster --tier $(TIER) $(if $(CANCEL),--cancel)
	@$(WATCHED) $(TARGETS) --configfile $(CONFIG) --workflow-profile profiles/slurm $(VIEW)

status: install ## Show what runs, the time left, and which figures, tables and claims are ready (TARGETS=main).
	@.venv/bin/python -m workflow_scripts.operate.status $(TARGETS) $(CHOSEN)

verify: install ## Read every file of TARGETS, and say which ones are missing, damaged or out of date.
	@$(VERIFY)

why: install ## Say which jobs would run, and why, one line each (TIER=laptop TARGETS=main).
	@$(VERIFY) --why

compare: study ## Run TARGETS unless they are done, and compare each number with results/reference.
	@.venv/bin/python -m workflow_scripts.operate.compare $(TARGETS) $(CHOSEN)

report: install ## Write results/TIER/report.html, one page to read, and rollouts.html (RECORDED=yes: of results/reference/TIER).
	@.venv/bin/python -m workflow_scripts.operate.report $(TARGETS) $(CHOSEN) $(if $(RECORDED),--recorded)

reference: install ## Copy the tables, figures and claims of TARGETS to results/reference, if all are good; write the report.
	@.venv/bin/python -m workflow_scripts.operate.reference $(TARGETS) --tier $(TIER)
	@$(RECORDED_PAGE)

redraw: install ## Draw the recorded figures and tables of TARGETS and the report anew, without training (TIER=laptop).
	@.venv/bin/python -m workflow_scripts.operate.redraw $(TARGETS) $(CHOSEN)
	@$(RECORDED_PAGE)

publish: install ## Push a finished tier to a DVC remote (TIER=laptop REMOTE=/a/folder or s3://bucket/prefix).
	@test -n "$(REMOTE)" || { echo "where to? make publish TIER=$(TIER) REMOTE=/a/folder or s3://bucket/prefix"; exit 1; }
	@.venv/bin/python -m workflow_scripts.operate.sharing publish --tier $(TIER) --remote '$(REMOTE)'

restore: install ## Pull a published tier into a fresh clone and verify it (TIER=laptop).
	@.venv/bin/python -m workflow_scripts.operate.sharing restore --tier $(TIER)

cost: install ## Forecast the cost of a tier by stage and target, before anything runs (TIER=paper).
	@$(SNAKEMAKE) cost --configfile $(CONFIG) --quiet host progress rules

gpu-check: install ## Measure the time of steps on this GPU, for make cost (at most 20 minutes).
	.venv/bin/python -m workflow_scripts.cost.gpu_check --output results/gpu-check
	@echo "For make cost: mkdir -p results/reference/gpu && cp results/gpu-check/rates.* results/reference/gpu"

benchmark: install ## Measure the time to Table 1, RL steps beside TRL's, and how cost grows (half an hour).
	rm -rf data/benchmark results/benchmark
	SECONDS=0 \
		&& $(SNAKEMAKE) table1 --configfile config/laptop.yaml --config tier=benchmark \
		&& echo $$SECONDS > results/benchmark/seconds
	.venv/bin/python -m workflow_scripts.cost.measured --tier benchmark
	$(SNAKEMAKE) rl_benchmark --configfile config/laptop.yaml --config tier=benchmark
	.venv/bin/python -m workflow_scripts.cost.growth --output results/benchmark
	.venv/bin/python -m workflow_scripts.cost.benchmark_summary --seconds $$(cat results/benchmark/seconds)
	@echo "To record: cp results/benchmark/{benchmark.json,growth.csv,growth.md} results/reference/laptop"

check: lint types test-fast ## Run the checks that a change must pass before it is committed (4 minutes).

lint: .venv/.tools ## Check the style of the code, and that docs/configuration.md is up to date.
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/snakefmt --check Snakefile rules
	.venv/bin/python -m workflow_scripts.plan.configuration_page --check

format: .venv/.tools ## Correct the style of the code, as far as programs can.
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .
	.venv/bin/snakefmt Snakefile rules

types: .venv/.tools ## Check the types.
	.venv/bin/mypy

configuration-page: install ## Write docs/configuration.md from the descriptions of the settings.
	.venv/bin/python -m workflow_scripts.plan.configuration_page

test: .venv/.tools ## Run all tests, including the whole smoke tier (25 to 45 minutes on two cores).
	.venv/bin/python -m pytest $(SIDE_BY_SIDE)

test-fast: .venv/.tools ## Run the tests that train nothing and start no study.
	.venv/bin/python -m pytest $(SIDE_BY_SIDE) -m 'not slow'

torture: .venv/.tools ## Kill a small study 100 times, damage its checkpoints; every stage x interruption (an hour).
	.venv/bin/python -m pytest -s --torture tests/workflow/test_kills.py tests/operate/test_{matrix,snakemake}.py

clean: ## Remove all data and results of a tier (TIER=laptop).
	rm -rf data/$(TIER) results/$(TIER)
