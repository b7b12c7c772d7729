# Before a study is sent to a cluster: one short job for each partition it would use.
from workflow_scripts.cluster import read_site

PROBED = ["cpu", "gpu"] if study.settings.jobs.gpus else ["cpu"]
# Those that no job trains.
GIVEN_MODELS = sorted(
    folder
    for folder in {study.base_folder(run) for run in study.sft_runs.values()}
    if not folder.startswith(f"{RESULTS}/base/")
)


rule cluster_token:
    output:
        temp(f"{RESULTS}/cluster/token"),
    log:
        f"{RESULTS}/logs/cluster/token.log",
    benchmark:
        f"{RESULTS}/benchmarks/cluster/token.tsv"
    localrule: True
    threads: 1
    message:
        "Write a file that every node must see"
    shell:
        "date > {output:q} 2> {log:q}"


rule cluster_probe:
    input:
        token=rules.cluster_token.output,
    output:
        temp(f"{RESULTS}/cluster/{{partition}}.json"),
    log:
        f"{RESULTS}/logs/cluster/{{partition}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/cluster/{{partition}}.tsv"
    wildcard_constraints:
        partition="cpu|gpu",
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
        gpu=lambda w: study.settings.jobs.gpus if w.partition == "gpu" else 0,
        slurm_partition=lambda w: read_site()[f"{w.partition}_partition"] or "",
    params:
        device=lambda w: study.settings.model.device if w.partition == "gpu" else "cpu",
        models=GIVEN_MODELS,
    message:
        "Look at the partition {wildcards.partition} from within a job"
    shell:
        python("probe") + " check --token {input.token:q} --gpus {resources.gpu}"
        " --device {params.device:q} --models {params.models:q} --output {output:q} 2> {log:q}"


rule cluster_check:
    input:
        expand(rules.cluster_probe.output, partition=PROBED),
    localrule: True
    params:
        reports=[f"{name}={RESULTS}/cluster/{name}.json" for name in PROBED],
    message:
        "What the cluster lacks"
    shell:
        python("probe") + " show {params.reports:q}"
