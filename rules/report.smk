# Tables, figures and claims. They read counts and logs, need no torch, and take seconds.


def product_inputs(product):
    """The files that a table or figure needs, by the names of its program's options."""
    experiment, files = product.experiment, {}
    if product.evaluations:
        files["scores"] = expand(
            rules.scores.output, experiment=experiment, evaluation=product.evaluations
        )
    if product.training:
        files["training"] = expand(rules.training.output, collection=product.training)
    if product.sft:
        files["sft"] = expand(rules.sft_validation.output, experiment=experiment)
    return files


def options(input):
    """Named inputs as options of a command line."""
    return " ".join(f"--{name} {shlex.join(map(str, paths))}" for name, paths in input.items())


FIGURES, TABLES = products.figures(study.settings), products.tables(study.settings)
FIGURE_FILES = expand(f"{RESULTS}/figures/{{name}}.{{type}}", name=FIGURES, type=["png", "svg"])
TABLE_FILES = expand(f"{RESULTS}/tables/{{name}}.{{type}}", name=TABLES, type=["csv", "md"])


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
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: reported(FIGURES[w.name].experiment),
        inputs=lambda w, input: options(input),
        code=code("report.figures"),
    message:
        "Figure {output.png}"
    shell:
        reporting("report.figures") + " {wildcards.name:q} {params.inputs}"
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
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: reported(TABLES[w.name].experiment),
        inputs=lambda w, input: options(input),
        code=code("report.tables"),
    message:
        "Table {output.markdown}"
    shell:
        reporting("report.tables") + " {wildcards.name:q} {params.inputs}"
        " --csv {output.csv:q} --markdown {output.markdown:q} 2> {log:q}"
        " && echo ready: {output.markdown:q}"


# What the claims are computed from, for each enabled experiment.
CLAIMED = {
    experiment: product_inputs(product)
    | {"provenance": expand(rules.provenance.output, experiment=experiment)}
    for experiment, product in products.CLAIMED.items()
    if experiment in study.members
}


rule claims:
    input:
        [path for files in CLAIMED.values() for paths in files.values() for path in paths],
    output:
        json=f"{RESULTS}/claims.json",
        markdown=f"{RESULTS}/claims.md",
    log:
        f"{RESULTS}/logs/claims.log",
    benchmark:
        f"{RESULTS}/benchmarks/claims.tsv"
    priority: SHOW_PRIORITY
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        settings=lambda w: reported(*study.members),
        files=lambda w: as_json(CLAIMED),
        code=code("report.claims"),
    message:
        "Claims {output.markdown}"
    shell:
        reporting("report.claims") + " --files {params.files:q}"
        " --json {output.json:q} --markdown {output.markdown:q} 2> {log:q}"
        " && echo ready: {output.markdown:q}"


# One target by name for each figure and table.
for name in FIGURES:

    rule:
        name:
            products.target_name("fig", name)
        input:
            expand(f"{RESULTS}/figures/{name}.{{type}}", type=["png", "svg"]),
        localrule: True
        message:
            f"{FIGURES[name].caption}: {RESULTS}/figures/{name}.png"


for name in TABLES:

    rule:
        name:
            products.target_name("table", name)
        input:
            expand(f"{RESULTS}/tables/{name}.{{type}}", type=["csv", "md"]),
        localrule: True
        message:
            f"{TABLES[name].caption}: {RESULTS}/tables/{name}.md"


# One target by name for each experiment, with all that it shows.
for name in study.members:

    rule:
        name:
            name
        input:
            [path for path in FIGURE_FILES if FIGURES[Path(path).stem].experiment == name],
            [path for path in TABLE_FILES if TABLES[Path(path).stem].experiment == name],
            expand(rules.metrics.output, experiment=name),
            expand(rules.provenance.output, experiment=name),
        localrule: True
        message:
            f"The experiment {name} is complete"


rule cost:
    localrule: True
    params:
        settings=lambda w: study.settings.model_dump_json(),
    message:
        f"What the tier {study.tier} costs"
    shell:
        python("report.forecast") + " --settings {params.settings:q}"
