# An experiment's runs into one file of each kind; then estimates. No torch, seconds each.


def files_of(members, *kinds):
    return [member[kind] for member in members for kind in kinds]


def run_records(wildcards):
    """Of the runs of an experiment, and of the SFT models that they start from."""
    runs = [member.run for member in study.members[wildcards.experiment]]
    runs += [run.sft for run in runs if run.name in study.rl_runs]
    return list(dict.fromkeys(f"{study.run_folder(run)}/run.json" for run in runs))


rule scores:
    input:
        lambda w: files_of(
            study.evaluated(w.experiment, w.evaluation), "rollouts", "labels", "problems"
        ),
    output:
        f"{RESULTS}/scores/{{experiment}}/{{evaluation}}.parquet",
    log:
        f"{RESULTS}/logs/scores/{{experiment}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/scores/{{experiment}}-{{evaluation}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        members=lambda w: as_json(study.evaluated(w.experiment, w.evaluation)),
        code=code("evaluate.collect"),
    message:
        "Count the rollouts {wildcards.evaluation} of the experiment {wildcards.experiment}"
    shell:
        python("evaluate.collect") + " scores --members {params.members:q}"
        " --evaluation {wildcards.evaluation:q} --output {output:q} 2> {log:q}"


rule training:
    input:
        lambda w: files_of(study.trained(w.collection, "rl"), "training"),
    output:
        f"{RESULTS}/training/{{collection}}.parquet",
    log:
        f"{RESULTS}/logs/training/{{collection}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training/{{collection}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        members=lambda w: as_json(study.trained(w.collection, "rl")),
        code=code("evaluate.collect"),
    message:
        "Collect the training rollouts of {wildcards.collection}"
    shell:
        python("evaluate.collect")
        + " training --members {params.members:q} --output {output:q} 2> {log:q}"


rule sft_validation:
    input:
        lambda w: files_of(study.trained(w.experiment, "sft"), "record"),
    output:
        f"{RESULTS}/sft_validation/{{experiment}}.csv",
    log:
        f"{RESULTS}/logs/sft_validation/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sft_validation/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        members=lambda w: as_json(study.trained(w.experiment, "sft")),
        split=study.settings.sampling.validation,
        code=code("evaluate.collect"),
    message:
        "Collect the cross-entropies of the experiment {wildcards.experiment}"
    shell:
        python("evaluate.collect") + " sft --members {params.members:q} --split {params.split:q}"
        " --output {output:q} 2> {log:q}"


rule provenance:
    input:
        records=run_records,
        rollouts=lambda w: [
            path
            for evaluation in study.evaluations_of(w.experiment)
            for path in files_of(study.evaluated(w.experiment, evaluation), "rollouts")
        ],
    output:
        f"{RESULTS}/provenance/{{experiment}}.json",
    log:
        f"{RESULTS}/logs/provenance/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        code=code("evaluate.collect"),
    message:
        "Check that one code made all runs of the experiment {wildcards.experiment}"
    shell:
        python("evaluate.collect") + " provenance --records {input.records:q}"
        " --rollouts {input.rollouts:q} --output {output:q} 2> {log:q}"


rule metrics:
    input:
        lambda w: expand(
            rules.scores.output,
            experiment=w.experiment,
            evaluation=study.evaluations_of(w.experiment),
        ),
    output:
        f"{RESULTS}/metrics/{{experiment}}.csv",
    log:
        f"{RESULTS}/logs/metrics/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        statistics=study.settings.statistics.model_dump_json(),
        spans=as_json([span.model_dump() for span in study.spans]),
        code=code("evaluate.metrics"),
    message:
        "Estimate the metrics of the experiment {wildcards.experiment}"
    shell:
        python("evaluate.metrics")
        + " --statistics {params.statistics:q} --spans {params.spans:q} --scores {input:q} --output {output:q} 2> {log:q}"
