# Named helpers of the rules; no rules stand here.
import json
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from workflow_scripts.cluster import refuse_queued, tell_endings
from workflow_scripts.configuration import ConfigurationError, refuse, validate
from workflow_scripts.files import StudyError
from workflow_scripts.jobs import measured_needs
from workflow_scripts.lock import explain_leftover, lock_folder, only_reads, refuse_orphans
from workflow_scripts.provenance import code_hash, pinned_packages, refuse_other_versions
from workflow_scripts.report import products
from workflow_scripts.scratch import (
    forget_finished,
    planned_digest,
    remove_unrecorded_rollouts,
    reopen_unrecorded,
)
from workflow_scripts.sharing import restoring_mark
from workflow_scripts.study import Study

# The order in which they win: what the command line names stands over the defaults.
CONFIG_FILES = [
    Path(os.path.relpath(file)) for file in (workflow.configfiles[-1], *workflow.configfiles[:-1])
]
try:
    study = Study(validate(config, CONFIG_FILES))
    if missing := study.missing_base_model():
        raise refuse(*missing, config, CONFIG_FILES)
    DATA, RESULTS = f"data/{study.tier}", f"results/{study.tier}"
    if workflow.is_main_process and not only_reads(sys.argv[1:]):
        lock = lock_folder(Path(RESULTS))
        refuse_queued(study.tier)
        refuse_orphans(Path(RESULTS))
        if "--unlock" in sys.argv:
            remove_unrecorded_rollouts(Path(RESULTS))
        else:
            if restoring_mark(study.tier).exists():
                raise StudyError(f"{RESULTS} is restored in part: make restore TIER={study.tier}")
            refuse_other_versions()
            explain_leftover((RESULTS, DATA), sys.argv[1:])
            reopen_unrecorded(Path(RESULTS))
except (ConfigurationError, StudyError) as error:
    sys.exit(f"error: {error}")


# Above those of runs: what is ready to be shown is shown, and data come first of all.
COLLECT_PRIORITY, SHOW_PRIORITY, DATA_PRIORITY = 1500, 2000, 3000


wildcard_constraints:
    field=r"gf[^/]+",
    base=r"gf[^/]+",
    kind=r"[a-z]+",
    mix=r"[A-Za-z0-9.]+",
    seed=r"\d+",
    run=r"[^/]+",


def as_json(value):
    """A parameter of a command line, and of what decides whether a job runs again."""
    return json.dumps(value, sort_keys=True)


def python(module):
    """The command that runs a stage program."""
    return f"{shlex.quote(sys.executable)} -m workflow_scripts.{module}"


def training(module):
    """The command of a training program. What no result depends on is not among the parameters."""
    return f"{python(module)} --checkpoint-seconds {study.settings.checkpoint_seconds}"


def reporting(module):
    """The command of a program that reads the study's settings; `reported` says which count."""
    settings = shlex.quote(study.settings.model_dump_json())
    return f"{python(module)} --settings {settings}".replace("{", "{{").replace("}", "}}")


def reported(*experiments):
    """The settings on which what is reported of some experiments depends."""
    settings = study.settings.model_dump(exclude={"base", "checkpoint_seconds", "jobs"})
    named = ("main", *experiments)  # main's runs are those that the others vary
    settings["experiments"] = {name: settings["experiments"][name] for name in named}
    return as_json(settings)


def code(module):
    """The content of a stage program and of all that it imports: what reruns it if it changes."""
    name = f"workflow_scripts.{module}"
    return as_json({"code": code_hash(name), **pinned_packages(name)})


def need(stage, resource):
    """What a job of a heavy stage asks a scheduler for; more at each attempt.

    Training goes on from its checkpoint, and needs no longer time the second time.
    """
    configured = getattr(study.settings.jobs, stage).model_dump()
    cost = Path("results/reference", study.tier, "cost.csv")
    first = (measured_needs(cost, stage) or configured)[resource]
    grows = resource == "mem_mb" or stage == "rollouts"
    return lambda wildcards, attempt: first * attempt if grows else first


def find_run(wildcards):
    return study.runs[wildcards.run]


def priority_of_run(wildcards, **_):
    return study.priorities[wildcards.run]


def priority_of_sampling(wildcards, **_):
    return study.sampling_priority(wildcards.run, wildcards.evaluation)
