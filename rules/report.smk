# Tables, figures and claims. They read counts and logs, need no torch, and take seconds.


def product_inputs(product):
    """The files that a table or figure needs, by the names of its program's options."""
    experiment = product.experiment
    files = {"scores": f"{RESULTS}/scores/{experiment}.parquet"}
    if product.training:
        files["training"] = f"{RESULTS}/training/{experiment}.parquet"
    if product.sft:
        files["sft"] = f"{RESULTS}/sft_validation/{experiment}.csv"
    return files


def options(input):
    """Named inputs as options of a command line."""
    return " ".join(f"--{name} {path}" for name, path in input.items())


FIGURES, TABLES = products.figures(study.settings), products.tables(study.settings)
FIGURE_FILES = expand(f"{RESULTS}/figures/{{name}}.{{type}}", name=FIGURES, type=["png", "svg"])
TABLE_FILES = expand(f"{RESULTS}/tables/{{name}}.{{type}}", name=TABLES, type=["csv", "md"])
SETTINGS = study.settings.model_dump_json()
# The experiments whose files the claims are computed from.
CLAIMED = {
    files: [name for name in getattr(products, f"CLAIMS_{files.upper()}") if name in study.members]
    for files in ("scores", "training", "sft")
}


def named(experiments, paths):
    return [f"{experiment}={path}" for experiment, path in zip(experiments, paths)]


rule figure:
    input:
        unpack(lambda w: product_inputs(FIGURES[w.name])),
    output:
        png=f"{RESULTS}/figures/{{name}}.png",
        svg=f"{RESULTS}/figures/{{name}}.svg",
    log:
        f"{RESULTS}/logs/figures/{{name}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/{{name}}.tsv"
    priority: 2000
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: SETTINGS,
        inputs=lambda w, input: options(input),
        code=code("report.figures"),
    message:
        "Figure {output.png}"
    shell:
        python("report.figures")
        + " {wildcards.name:q} --settings {params.settings:q} {params.inputs}"
        " --png {output.png:q} --svg {output.svg:q} 2> {log:q} && echo ready: {output.png:q}"


rule table:
    input:
        unpack(lambda w: product_inputs(TABLES[w.name])),
    output:
        csv=f"{RESULTS}/tables/{{name}}.csv",
        markdown=f"{RESULTS}/tables/{{name}}.md",
    log:
        f"{RESULTS}/logs/tables/{{name}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tables/{{name}}.tsv"
    priority: 2000
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: SETTINGS,
        inputs=lambda w, input: options(input),
        code=code("report.tables"),
    message:
        "Table {output.markdown}"
    shell:
        python("report.tables")
        + " {wildcards.name:q} --settings {params.settings:q} {params.inputs}"
        " --csv {output.csv:q} --markdown {output.markdown:q} 2> {log:q}"
        " && echo ready: {output.markdown:q}"


rule claims:
    input:
        scores=expand(f"{RESULTS}/scores/{{experiment}}.parquet", experiment=CLAIMED["scores"]),
        training=expand(
            f"{RESULTS}/training/{{experiment}}.parquet", experiment=CLAIMED["training"]
        ),
        sft=expand(f"{RESULTS}/sft_validation/{{experiment}}.csv", experiment=CLAIMED["sft"]),
    output:
        json=f"{RESULTS}/claims.json",
        markdown=f"{RESULTS}/claims.md",
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    priority: 2000
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: SETTINGS,
        scores=lambda w, input: named(CLAIMED["scores"], input.scores),
        training=lambda w, input: named(CLAIMED["training"], input.training),
        sft=lambda w, input: named(CLAIMED["sft"], input.sft),
        code=code("report.claims"),
    message:
        "Claims {output.markdown}"
    shell:
        python("report.claims") + " --settings {params.settings:q} --scores {params.scores:q}"
        " --training {params.training:q} --sft {params.sft:q}"
        " --json {output.json:q} --markdown {output.markdown:q} 2> {log:q}"
        " && echo ready: {output.markdown:q}"


# One target by name for each figure and table: fig_routing, table1, table_robustness_rl_group_size.
def target_name(prefix, name):
    name = name if name.startswith(prefix) else f"{prefix}_{name}"
    return "".join(letter if letter.isalnum() else "_" for letter in name)


for name in FIGURES:

    rule:
        name:
            target_name("fig", name)
        input:
            expand(f"{RESULTS}/figures/{name}.{{type}}", type=["png", "svg"]),
        localrule: True
        message:
            f"{FIGURES[name].caption}: {RESULTS}/figures/{name}.png"


for name in TABLES:

    rule:
        name:
            target_name("table", name)
        input:
            expand(f"{RESULTS}/tables/{name}.{{type}}", type=["csv", "md"]),
        localrule: True
        message:
            f"{TABLES[name].caption}: {RESULTS}/tables/{name}.md"
