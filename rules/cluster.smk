# A check to run before a study is sent to a cluster. A short job, in the partition that the study
# would use, tests its node and reports the result.

# The folders of base models that no job of this study trains.
GIVEN_MODELS = sorted(
    folder
    for folder in {study.base_folder(run) for run in study.sft_runs.values()}
    if not study.is_trained_here(folder)
)


TOKEN, REPORT = f"{RESULTS}/cluster/token", f"{RESULTS}/cluster/probe.json"
PROBE = f"{shlex.quote(sys.executable)} -m workflow_scripts.operate.probe"


def anew(*files):
    """An input function that makes a job run even if its output files exist.

    Existing files may be from an earlier check.
    """

    def no_file(wildcards):
        if workflow.is_main_process:
            workflow.dag.forcefiles.update(files)
        return []

    return no_file


rule cluster_token:
    input:
        anew(TOKEN),
    output:
        token=temp(TOKEN),
    log:
        f"{RESULTS}/logs/cluster/token.log",
    benchmark:
        f"{RESULTS}/benchmarks/cluster/token.tsv"
    localrule: True
    threads: 1
    message:
        "Write a file that all nodes must see"
    shell:
        "date > {output:q} 2> {log:q}"


rule cluster_probe:
    input:
        nothing=anew(REPORT),
        token=rules.cluster_token.output,
        models=[f"{folder}/manifest.json" for folder in GIVEN_MODELS],
    output:
        report=temp(REPORT),
    log:
        f"{RESULTS}/logs/cluster/probe.log",
    benchmark:
        f"{RESULTS}/benchmarks/cluster/probe.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=5,
        gpu=study.settings.jobs.gpus,
    params:
        device=study.settings.model.device,
        models=GIVEN_MODELS,
    message:
        "Check the node of a job"
    shell:
        PROBE + " check --token {input.token:q} --gpus {resources.gpu}"
        " --device {params.device:q} --models {params.models:q} --output {output:q} 2> {log:q}"


rule cluster_check:
    input:
        rules.cluster_probe.output,
    localrule: True
    message:
        "Show the report of the cluster check"
    shell:
        PROBE + " show {input:q}"
