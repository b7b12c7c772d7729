# What the rules share: the study and its plan, and how a job is run. No rules stand here.
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from workflow_scripts.operate.cluster import tell_endings
from workflow_scripts.plan.configuration import refuse, refuse_unnamed, validate
from workflow_scripts.common.errors import StudyError
from workflow_scripts.cost.needs import measured_needs
from workflow_scripts.operate.command_line import read_command_line, refuse_options
from workflow_scripts.operate.session import Session
from workflow_scripts.plan.plan import Plan, find_jobs
from workflow_scripts.plan.study import Study

# The order in which they win: what the command line names stands over the defaults.
CONFIG_FILES = [
    Path(os.path.relpath(file)) for file in (workflow.configfiles[-1], *workflow.configfiles[:-1])
]
try:
    if workflow.is_main_process:
        refuse_options()
    refuse_unnamed(config, CONFIG_FILES)
    study = Study(validate(config, CONFIG_FILES))
    if missing := study.missing_base_model():
        raise refuse(*missing, config, CONFIG_FILES)
    plan = Plan(study)
    JOBS = plan.jobs  # made here, so that a fault in it is one line
except StudyError as error:
    sys.exit(f"error: {error}")
DATA, RESULTS = f"data/{study.tier}", f"results/{study.tier}"
session = Session(plan)

# Above those of runs: what is ready to be shown is shown, and data come first of all.
COLLECT_PRIORITY, SHOW_PRIORITY, DATA_PRIORITY = 1500, 2000, 3000


wildcard_constraints:
    field=r"gf[^/]+",
    base=r"gf[^/]+",
    kind=r"[a-z]+",
    mix=r"[A-Za-z0-9.]+",
    seed=r"\d+",
    run=r"[^/]+",


def inputs(name):
    """An input function: the inputs of the plan's job of a name, which may hold wildcards.

    Receipts decide whether the job runs, and not the time stamps of its inputs, which are therefore
    ancient to Snakemake; those that are made again are not, since it runs nothing after a job whose
    outputs are ancient. A job that is not good is forced, as the option --forcerun would.
    """

    def of_job(wildcards):
        job = JOBS.get(name.format_map(dict(wildcards.items())))
        if job is None:  # no run of this configuration is called so
            return {}
        if workflow.is_main_process and job.outputs and not session.verdicts[job.name].good:
            workflow.dag.forcefiles.update(job.outputs.values())
        # Of a run's scored checkpoints, which the configuration chooses, the rules know nothing.
        kinds = job.inputs.keys() - {"checkpoints"}
        return {kind: [as_input(file) for file in job.inputs[kind]] for kind in kinds}

    return of_job


def as_input(file):
    is_made_again = workflow.is_main_process and not session.is_good(file)
    return file if is_made_again else ancient(file)


def run_job(name, log=" 2> {log:q}"):
    """The command that runs the plan's job of a name, which may hold wildcards."""
    place = name.replace("{", "{wildcards.")
    program = f"{shlex.quote(sys.executable)} -m workflow_scripts.operate.job"
    return f"{program} '{RESULTS}/plan/{place}.json'{log}"


def need(stage, resource):
    """What a job of a heavy stage asks a scheduler for; more at each attempt.

    Training goes on from its checkpoint, and needs no longer time the second time.
    """
    configured = getattr(study.settings.jobs, stage).model_dump()
    cost = Path("results/reference", study.tier, "cost.csv")
    first = (measured_needs(cost, stage) or configured)[resource]
    grows = resource == "mem_mb" or stage == "rollouts"
    return lambda wildcards, attempt: first * attempt if grows else first


def priority_of_run(wildcards, **_):
    return study.priorities[wildcards.run]


def priority_of_sampling(wildcards, **_):
    return study.sampling_priority(wildcards.run, wildcards.evaluation)


def planned(jobs):
    """The plan's names of Snakemake's jobs; what only shows something is called as its rule is."""
    jobs = list(jobs)
    tools = [job.rule.name for job in jobs if not job.output and job.rule.name in JOBS]
    return [*session.names(str(file) for job in jobs for file in job.output), *tools]


def refuse_unknown_targets():
    """Call it when all rules are known."""
    known = {rule.name for rule in workflow.rules if not rule.has_wildcards()}
    try:
        for target in set(read_command_line().targets) - known:
            find_jobs(plan, target)
    except StudyError as error:
        sys.exit(f"error: {error}")


def begin():
    """Before the first job: what `onstart` calls."""
    try:
        session.begin(planned(workflow.dag.needrun_jobs()), workflow.local_exec, workflow.touch)
    except StudyError as error:
        sys.exit(f"error: {error}")


def end():
    """After the last job: what `onsuccess` and `onerror` call."""
    tell_endings()
    jobs = list(workflow.dag.jobs)
    logs = {name: str(log) for job in jobs for log in job.log for name in planned([job])}
    try:
        session.end(planned(jobs), logs)
    except StudyError as error:
        sys.exit(f"error: {error}")
