# Definitions that all rules use: the study, its plan, and the command that runs a job. This file
# has no rules.
import os
import shlex
import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from workflow_scripts.operate.cluster import tell_endings
from workflow_scripts.plan.configuration import refusal, refuse_unnamed, validate
from workflow_scripts.common.errors import SettingError, StudyError
from workflow_scripts.cost.forecast import tell_base_models
from workflow_scripts.cost.needs import measured_needs
from workflow_scripts.operate.command_line import read_command_line, refuse_options
from workflow_scripts.operate.live import begin_view, end_view
from workflow_scripts.operate.run_state import plan_run
from workflow_scripts.operate.session import Session
from workflow_scripts.plan.plan import Plan, find_jobs
from workflow_scripts.plan.products import figures, tables
from workflow_scripts.plan.study import Study

# In the project's list, later files win, so the default file comes first. Snakemake lists the
# default file last.
CONFIG_FILES = [
    Path(os.path.relpath(file)) for file in (workflow.configfiles[-1], *workflow.configfiles[:-1])
]
try:
    if workflow.is_main_process:
        refuse_options()
    refuse_unnamed(config, CONFIG_FILES)
    study = Study(validate(config, CONFIG_FILES))
    study.require_base_models()
    plan = Plan(study)
    JOBS = plan.jobs  # computed inside try, so that an error is shown as one line
except SettingError as error:
    sys.exit(f"error: {refusal(error, config, CONFIG_FILES)}")
except StudyError as error:
    sys.exit(f"error: {error}")
if workflow.is_main_process and (told := tell_base_models(study)):
    print(told, file=sys.stderr)
PRODUCTS = {"figure": figures(study), "table": tables(study)}
DATA, RESULTS = f"data/{study.tier}", f"results/{study.tier}"
session = Session(plan)

# These are higher than the priorities of runs, so that each result is made as early as possible.
COLLECT_PRIORITY, SHOW_PRIORITY, DATA_PRIORITY = 1500, 2000, 3000


wildcard_constraints:
    field=r"gf[^/]+",
    base=r"gf[^/]+",
    kind=r"[a-z]+",
    mix=r"[A-Za-z0-9.]+",
    seed=r"\d+",
    run=r"[^/]+",


def inputs(name):
    """An input function for a rule: the inputs of the plan's job. name may have wildcards.

    Receipts (what each job read and wrote, as hashes) decide whether a job runs. A job that is not
    good by its receipt is forced to run, as by --forcerun. Inputs are marked `ancient`, so that
    Snakemake ignores their time stamps. An input that another job makes again in this run is not
    marked: with the mark, Snakemake would not run the jobs that read this input.
    """

    def of_job(wildcards):
        job = JOBS.get(name.format_map(dict(wildcards.items())))
        if job is None:  # this configuration has no such job
            return {}
        if workflow.is_main_process and job.outputs and not session.verdicts[job.name].good:
            workflow.dag.forcefiles.update(job.outputs.values())
        # Scored checkpoints are left out: the rule grpo cannot declare them as outputs, because
        # their number depends on the configuration.
        kinds = job.inputs.keys() - {"checkpoints"}
        return {kind: [as_input(file) for file in job.inputs[kind]] for kind in kinds}

    return of_job


def as_input(file):
    """A file as an input of a rule; see `inputs`."""
    is_made_again = workflow.is_main_process and not session.is_good(file)
    return file if is_made_again else ancient(file)


def run_job(name, log=" 2> {log:q}"):
    """The shell command that runs the plan's job of this name. name may have wildcards."""
    place = name.replace("{", "{wildcards.")
    program = f"{shlex.quote(sys.executable)} -m workflow_scripts.operate.job"
    return f"{program} '{RESULTS}/plan/{place}.json'{log}"


def shown(file, kind):
    """A file that `snakemake --report` shows, under its experiment. kind is "figure" or "table"."""
    return report(
        file,
        caption="caption.rst",
        category=lambda wildcards: PRODUCTS[kind][wildcards.name][0].name,
        labels={"kind": kind, "name": "{name}"},
    )


def caption(kind):
    """The caption of a figure or table, as a function of its name; "" if it is not in this tier."""
    products = PRODUCTS[kind]
    return lambda wildcards: (
        products[wildcards.name][1].caption if wildcards.name in products else ""
    )


def need(stage, resource):
    """The memory or time that a job of a stage asks SLURM for, as a function of the attempt.

    Each further attempt asks for more memory. Rollouts also ask for more time. Training does not,
    because training resumes from its checkpoint.
    """
    configured = getattr(study.settings.jobs, stage).model_dump()
    cost = Path("results/reference", study.tier, "cost.csv")
    first = (measured_needs(cost, stage) or configured)[resource]
    grows = resource == "mem_mb" or stage == "rollouts"
    return lambda wildcards, attempt: first * attempt if grows else first


def priority_of_run(wildcards, **_):
    """The priority of the training of a run."""
    return study.priorities[wildcards.run]


def priority_of_sampling(wildcards, **_):
    """The priority of the rollouts of a run and of their labels."""
    return study.sampling_priority(wildcards.run, wildcards.evaluation)


def planned(jobs):
    """The names in the plan of the given jobs of Snakemake.

    A job is found by its outputs, or by the name of its rule if it has no outputs.
    """
    jobs = list(jobs)
    tools = [job.rule.name for job in jobs if not job.output and job.rule.name in JOBS]
    return [*session.names(str(file) for job in jobs for file in job.output), *tools]


def refuse_unknown_targets():
    """End with an error of one line if a target of the command line is unknown.

    Call this function after all rules are defined.
    """
    known = {rule.name for rule in workflow.rules if not rule.has_wildcards()}
    try:
        for target in set(read_command_line().targets) - known:
            find_jobs(plan, target)
    except StudyError as error:
        sys.exit(f"error: {error}")


def begin():
    """Prepare the results for the jobs of this run. `onstart` calls it before the first job."""
    due = planned(workflow.dag.needrun_jobs())
    try:
        session.begin(due, workflow.local_exec, workflow.touch)
    except StudyError as error:
        sys.exit(f"error: {error}")
    begin_view(lambda: watched_run(due))


def watched_run(due):
    """The run that has begun, for its view. due are the names of the jobs that it is to make."""
    is_local = workflow.local_exec
    slots = max(1, workflow.cores // study.settings.model.threads) if is_local else 1
    return plan_run(plan, planned(workflow.dag.jobs), due, not is_local, slots)


def end():
    """Report how the run ended. `onsuccess` and `onerror` call it after the last job."""
    end_view()
    tell_endings()
    jobs = list(workflow.dag.jobs)
    logs = {name: str(log) for job in jobs for log in job.log for name in planned([job])}
    try:
        session.end(planned(jobs), logs)
    except StudyError as error:
        sys.exit(f"error: {error}")
