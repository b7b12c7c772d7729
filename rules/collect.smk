# Collect the outputs of an experiment's runs into one file of each kind, then estimate the metrics.
# These jobs take seconds and do not import torch.


rule scores:
    input:
        unpack(inputs("scores/{experiment}/{evaluation}")),
    output:
        collected=f"{RESULTS}/scores/{{experiment}}/{{evaluation}}.parquet",
    log:
        f"{RESULTS}/logs/scores/{{experiment}}-{{evaluation}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/scores/{{experiment}}-{{evaluation}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=4000,
        runtime=15,
    message:
        "Count the rollouts on {wildcards.evaluation} of the experiment {wildcards.experiment}"
    shell:
        run_job("scores/{experiment}/{evaluation}")


rule mistakes:
    input:
        unpack(inputs("mistakes/{experiment}")),
    output:
        collected=f"{RESULTS}/mistakes/{{experiment}}.parquet",
    log:
        f"{RESULTS}/logs/mistakes/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/mistakes/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Count the mistakes in the rollouts of the experiment {wildcards.experiment}"
    shell:
        run_job("mistakes/{experiment}")


rule training:
    input:
        unpack(inputs("training/{collection}")),
    output:
        collected=f"{RESULTS}/training/{{collection}}.parquet",
    log:
        f"{RESULTS}/logs/training/{{collection}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training/{{collection}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Collect the training rollouts of {wildcards.collection}"
    shell:
        run_job("training/{collection}")


rule sft_validation:
    input:
        unpack(inputs("sft_validation/{experiment}")),
    output:
        collected=f"{RESULTS}/sft_validation/{{experiment}}.csv",
    log:
        f"{RESULTS}/logs/sft_validation/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sft_validation/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    message:
        "Collect the cross-entropies of the experiment {wildcards.experiment}"
    shell:
        run_job("sft_validation/{experiment}")


rule provenance:
    input:
        unpack(inputs("provenance/{experiment}")),
    output:
        collected=f"{RESULTS}/provenance/{{experiment}}.json",
    log:
        f"{RESULTS}/logs/provenance/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/provenance/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=15,
    message:
        "Collect the provenance of the runs of the experiment {wildcards.experiment}"
    shell:
        run_job("provenance/{experiment}")


rule metrics:
    input:
        unpack(inputs("metrics/{experiment}")),
    output:
        collected=f"{RESULTS}/metrics/{{experiment}}.csv",
    log:
        f"{RESULTS}/logs/metrics/{{experiment}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/metrics/{{experiment}}.tsv"
    priority: COLLECT_PRIORITY
    threads: 1
    resources:
        mem_mb=2000,
        runtime=15,
    message:
        "Estimate the metrics of the experiment {wildcards.experiment}"
    shell:
        run_job("metrics/{experiment}")
