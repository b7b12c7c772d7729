# Data sets. Validation sets are drawn first, because training sets must not have their problems.


rule validation_sets:
    input:
        unpack(inputs("data/{field}/validation-{kind}")),
    output:
        dev=f"{DATA}/{{field}}/dev-{{kind}}.jsonl",
        confirm=f"{DATA}/{{field}}/confirm-{{kind}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-validation-{{kind}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-validation-{{kind}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    message:
        "Draw the validation problems ({wildcards.kind}) of {wildcards.field}"
    shell:
        run_job("data/{field}/validation-{kind}")


rule sft_set:
    input:
        unpack(inputs("data/{field}/sft-{mix}-s{seed}")),
    output:
        data=f"{DATA}/{{field}}/sft-{{mix}}-s{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-sft-{{mix}}-s{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-sft-{{mix}}-s{{seed}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    message:
        "Draw the SFT examples ({wildcards.mix}) of {wildcards.field}, seed {wildcards.seed}"
    shell:
        run_job("data/{field}/sft-{mix}-s{seed}")


rule heldout_set:
    input:
        unpack(inputs("data/{field}/heldout-{split}-{mix}")),
    output:
        data=f"{DATA}/{{field}}/heldout-{{split}}-{{mix}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-heldout-{{split}}-{{mix}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-heldout-{{split}}-{{mix}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    message:
        "Solve the {wildcards.split} problems of {wildcards.field} like the SFT examples {wildcards.mix}"
    shell:
        run_job("data/{field}/heldout-{split}-{mix}")


rule rl_prompts:
    input:
        unpack(inputs("data/{field}/rl-{prompts}-s{seed}")),
    output:
        data=f"{DATA}/{{field}}/rl-{{prompts}}-s{{seed}}.jsonl",
    log:
        f"{RESULTS}/logs/data/{{field}}-rl-{{prompts}}-s{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/data/{{field}}-rl-{{prompts}}-s{{seed}}.tsv"
    priority: DATA_PRIORITY
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    message:
        "Draw the RL prompts ({wildcards.prompts}) of {wildcards.field}, seed {wildcards.seed}"
    shell:
        run_job("data/{field}/rl-{prompts}-s{seed}")
