# Rollouts, the last stage that touches a model, and their strategy labels.


rule rollouts:
    input:
        model=lambda w: f"{study.run_folder(find_run(w))}/model/manifest.json",
        problems=lambda w: study.problems_file(find_run(w), w.evaluation),
    output:
        rollouts=f"{RESULTS}/rollouts/{{run}}/{{evaluation}}.parquet",
        record=f"{RESULTS}/rollouts/{{run}}/{{evaluation}}.json",
    log:
        f"{RESULTS}/logs/rollouts/{{run}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rollouts/{{run}}-{{evaluation}}.tsv"
    priority: priority_of_sampling
    threads: study.settings.model.threads
    resources:
        mem_mb=need("rollouts", "mem_mb"),
        runtime=need("rollouts", "runtime"),
        gpu=study.settings.jobs.gpus,
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
        " --problems {input.problems:q} {params.size} --output {output.rollouts:q} --record {output.record:q} 2> {log:q}"


rule labels:
    input:
        rollouts=rules.rollouts.output.rollouts,
        problems=lambda w: study.problems_file(find_run(w), w.evaluation),
    output:
        f"{RESULTS}/labels/{{run}}/{{evaluation}}.parquet",
    log:
        f"{RESULTS}/logs/labels/{{run}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/labels/{{run}}-{{evaluation}}.tsv"
    priority: priority_of_sampling
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
