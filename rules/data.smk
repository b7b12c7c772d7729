# Data sets: validation first, which every training set then keeps out.


def task_of_field(wildcards):
    return as_json(study.fields[f"{DATA}/{wildcards.field}"].task.model_dump())


def validation_files(wildcards):
    return [
        f"{DATA}/{wildcards.field}/{split}-{kind}.jsonl"
        for kind in study.validation_kinds
        for split in ("dev", "final")
    ]


rule validation_sets:
    output:
        dev=f"{DATA}/{{field}}/dev-{{kind}}.jsonl",
        final=f"{DATA}/{{field}}/final-{{kind}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-validation-{{kind}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-validation-{{kind}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        task=task_of_field,
        mix=lambda w: as_json(study.validation_kinds[w.kind]),
        n=study.settings.data.validation_problems,
        code=code("task.datasets"),
    message:
        "Draw the validation problems {wildcards.kind} of {wildcards.field}"
    shell:
        python("task.datasets")
        + " validation --task {params.task:q} --mix {params.mix:q} --n {params.n}"
        " --output {output.dev:q} {output.final:q} 2> {log:q}"


rule sft_set:
    input:
        validation=validation_files,
    output:
        f"{DATA}/{{field}}/sft-{{mix}}-s{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-sft-{{mix}}-s{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-sft-{{mix}}-s{{seed}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        task=task_of_field,
        mix=lambda w: as_json(study.sft_mix(w.mix)),
        n=lambda w: study.sft_examples(w.mix),
        code=code("task.datasets"),
    message:
        "Draw the SFT examples {wildcards.mix} of {wildcards.field}, seed {wildcards.seed}"
    shell:
        python("task.datasets")
        + " sft --task {params.task:q} --mix {params.mix:q} --n {params.n} --seed {wildcards.seed}"
        " --validation {input.validation:q} --output {output:q} 2> {log:q}"


rule heldout_set:
    input:
        validation=lambda w: f"{DATA}/{w.field}/{w.split}-{study.heldout_kind(w.mix)}.jsonl",
    output:
        f"{DATA}/{{field}}/heldout-{{split}}-{{mix}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-heldout-{{split}}-{{mix}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-heldout-{{split}}-{{mix}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        task=task_of_field,
        mix=lambda w: as_json(study.sft_mix(w.mix)),
        code=code("task.datasets"),
    message:
        "Solve the problems {wildcards.split} of {wildcards.field} as the SFT examples {wildcards.mix} do"
    shell:
        python("task.datasets") + " heldout --task {params.task:q} --mix {params.mix:q}"
        " --validation {input.validation:q} --output {output:q} 2> {log:q}"


rule rl_prompts:
    input:
        validation=validation_files,
    output:
        f"{DATA}/{{field}}/rl-{{prompts}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-rl-{{prompts}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-rl-{{prompts}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        task=task_of_field,
        mix=lambda w: as_json(study.prompt_mix(w.prompts)),
        n=study.settings.data.rl_prompts,
        code=code("task.datasets"),
    message:
        "Draw the RL prompts {wildcards.prompts} of {wildcards.field}"
    shell:
        python("task.datasets")
        + " prompts --task {params.task:q} --mix {params.mix:q} --n {params.n}"
        " --validation {input.validation:q} --output {output:q} 2> {log:q}"
