# The study: its configuration, its rules, and what happens before and after its jobs.
#
#   snakemake                                     the laptop tier, everything
#   snakemake fig_routing                         one figure and what it needs
#   snakemake main                                one experiment
#   snakemake --configfile config/smoke.yaml      another tier


configfile: "config/default.yaml"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/base.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/collect.smk"
include: "rules/report.smk"
include: "rules/cluster.smk"


# Jobs of these rules take seconds. They run on snakemake's own machine, even if other jobs are sent
# to a cluster.
localrules:
    all,
    validation_sets,
    sft_set,
    heldout_set,
    rl_prompts,
    labels,
    scores,
    mistakes,
    training,
    sft_validation,
    provenance,
    metrics,
    figure,
    table,
    quantities,
    claims,


rule all:
    default_target: True
    input:
        plan.outputs("all"),
    message:
        f"{study.tier}: every figure, table and claim is in {RESULTS}"


if workflow.is_main_process:
    refuse_unknown_targets()


onstart:
    # No limit of jobs per second. With it, Snakemake 9.27 looks for jobs once a second for every job that
    # has ended: a quarter of a core after 150 jobs.
    workflow.scheduler.job_rate_limiter = None
    begin()


onsuccess:
    end()


onerror:
    end()
