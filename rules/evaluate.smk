# Rollouts, the last stage that touches a model; then strategy labels, counts and estimates.


rule rollouts:
    input:
        model=lambda w: f"{study.run_folder(find_run(w))}/model/manifest.json",
        problems=lambda w: study.problems_file(find_run(w), w.evaluation),
    output:
        f"{RESULTS}/rollouts/{{run}}/{{evaluation}}.parquet",
    log:
        f"{RESULTS}/logs/rollouts/{{run}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rollouts/{{run}}-{{evaluation}}.tsv"
    priority: priority_of_run
    threads: study.settings.model.threads
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        settings=lambda w: as_json(study.sampling_settings(find_run(w))),
        models=lambda w: study.sampled_models(find_run(w), w.evaluation),
        size=lambda w: study.evaluations[w.evaluation].arguments,
        code=code("evaluate.sample"),
    message:
        "Sample {wildcards.run} on the problems {wildcards.evaluation}"
    shell:
        python("evaluate.sample")
        + " --settings {params.settings:q} --run {wildcards.run:q} --models {params.models:q}"
        " --problems {input.problems:q} {params.size} --output {output:q} 2> {log:q}"


rule labels:
    input:
        rollouts=rules.rollouts.output,
        problems=lambda w: study.problems_file(find_run(w), w.evaluation),
    output:
        f"{RESULTS}/labels/{{run}}/{{evaluation}}.parquet",
    log:
        f"{RESULTS}/logs/labels/{{run}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/labels/{{run}}-{{evaluation}}.tsv"
    priority: priority_of_run
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        code=code("evaluate.label"),
    message:
        "Label the strategies of {wildcards.run} on the problems {wildcards.evaluation}"
    shell:
        python("evaluate.label")
        + " --rollouts {input.rollouts:q} --problems {input.problems:q} --output {output:q} 2> {log:q}"


rule scores:
    input:
        lambda w: study.experiment_files(w.experiment),
    output:
        scores=f"{RESULTS}/scores/{{experiment}}.parquet",
        training=f"{RESULTS}/training/{{experiment}}.parquet",
        sft=f"{RESULTS}/sft_validation/{{experiment}}.csv",
    log:
        f"{RESULTS}/logs/scores/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/scores/{{experiment}}.tsv"
    priority: 1500
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    params:
        members=lambda w: as_json(study.describe_members(w.experiment)),
        code=code("evaluate.scores"),
    message:
        "Collect the experiment {wildcards.experiment}"
    shell:
        python("evaluate.scores")
        + " --members {params.members:q} --scores {output.scores:q} --training {output.training:q}"
        " --sft {output.sft:q} 2> {log:q}"


rule metrics:
    input:
        scores=rules.scores.output.scores,
    output:
        f"{RESULTS}/metrics/{{experiment}}.csv",
    log:
        f"{RESULTS}/logs/metrics/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics/{{experiment}}.tsv"
    priority: 1500
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    params:
        settings=lambda w: study.settings.model_dump_json(),
        code=code("evaluate.metrics"),
    message:
        "Estimate the metrics of the experiment {wildcards.experiment}"
    shell:
        python("evaluate.metrics")
        + " --settings {params.settings:q} --scores {input.scores:q} --output {output:q} 2> {log:q}"


METRICS_FILES = expand(rules.metrics.output, experiment=study.members)
