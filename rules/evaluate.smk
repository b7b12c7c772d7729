# Rollouts of models on validation problems, their strategy labels, and exact measures.


rule rollouts:
    input:
        unpack(inputs("rollouts/{run}/{evaluation}")),
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
    message:
        "Sample {wildcards.run} for the evaluation {wildcards.evaluation}"
    shell:
        run_job("rollouts/{run}/{evaluation}")


rule labels:
    input:
        unpack(inputs("labels/{run}/{evaluation}")),
    output:
        labels=f"{RESULTS}/labels/{{run}}/{{evaluation}}.parquet",
    log:
        f"{RESULTS}/logs/labels/{{run}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/labels/{{run}}-{{evaluation}}.tsv"
    priority: priority_of_sampling
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Label the rollouts of {wildcards.run} of the evaluation {wildcards.evaluation}"
    shell:
        run_job("labels/{run}/{evaluation}")


rule exact:
    input:
        unpack(inputs("exact/{run}/{evaluation}")),
    output:
        exact=f"{RESULTS}/exact/{{run}}/{{evaluation}}.parquet",
        record=f"{RESULTS}/exact/{{run}}/{{evaluation}}.json",
    log:
        f"{RESULTS}/logs/exact/{{run}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/exact/{{run}}-{{evaluation}}.tsv"
    priority: priority_of_sampling
    threads: study.settings.model.threads
    resources:
        mem_mb=need("rollouts", "mem_mb"),
        runtime=need("rollouts", "runtime"),
        gpu=study.settings.jobs.gpus,
    message:
        "Measure {wildcards.run} exactly for the evaluation {wildcards.evaluation}"
    shell:
        run_job("exact/{run}/{evaluation}")
