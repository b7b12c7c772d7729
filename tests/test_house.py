"""The law of the house: who may import whom, what decides a result, how large things may grow."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, load_tier
from workflow_scripts.common import provenance
from workflow_scripts.plan.plan import Plan
from workflow_scripts.plan.study import Study

CODE = ROOT / "workflow_scripts"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(CODE.rglob("*.py"))
}
# Each room may import those above it in this list, and itself.
ROOMS = (
    "common",
    "task",
    "settings",
    "model",
    "train",
    "evaluate",
    "report",
    "experiments",
    "plan",
    "cost",
    "operate",
)
MOST_PARAMETERS, MOST_CLASS_LINES = 6, 399


def room(module: str) -> str:
    """The room of a module; that of the package itself is empty."""
    return module.partition(".")[2].partition(".")[0]


def imported(path: Path) -> set[str]:
    """The modules of the project that a file imports, wherever the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name in MODULES and name.count(".") >= 1}


@pytest.mark.parametrize("name", [name for name in MODULES if "." in name])
def test_imports_go_one_way(name):
    mine = ROOMS.index(room(name))
    above = {other for other in imported(MODULES[name]) if ROOMS.index(room(other)) > mine}
    assert not above


def test_the_task_needs_the_standard_library_alone():
    """-S leaves out all installed packages."""
    modules = ", ".join(name for name in MODULES if room(name) == "task")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {modules}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def functions(tree: ast.Module):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("name", MODULES)
def test_functions_and_classes_stay_small(name):
    tree = ast.parse(MODULES[name].read_text())
    for function in functions(tree):
        arguments = function.args
        named = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        named = [each for each in named if each not in ("self", "cls")]
        overrides_trl = function.name == "_get_per_token_logps_and_entropies"
        assert len(named) <= MOST_PARAMETERS or overrides_trl, function.name
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno - node.lineno <= MOST_CLASS_LINES, node.name


def stages() -> set[str]:
    jobs = Plan(Study(load_tier("smoke"))).jobs.values()
    return {job.module for job in jobs if job.outputs}


@pytest.fixture(scope="module")
def hashes(tmp_path_factory):
    """A copy of the code to be edited, and a function that hashes all stages of it."""
    folder = tmp_path_factory.mktemp("code") / "workflow_scripts"
    for path in MODULES.values():
        target = folder / path.relative_to(CODE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
    all_stages = stages()
    before = provenance.PACKAGE

    def hash_all() -> dict[str, str]:
        provenance.forget_code()
        return {stage: provenance.code_hash(stage) for stage in all_stages}

    provenance.PACKAGE = folder
    yield folder, hash_all
    provenance.PACKAGE = before
    provenance.forget_code()


class Reworded(ast.NodeTransformer):
    """Another docstring, another message, and a line that shows something in every function."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        shows = ast.parse('print("at work")').body
        docstring = [ast.Expr(ast.Constant("Reworded."))]
        body = node.body[1:] if ast.get_docstring(node) else node.body
        node.body = [*docstring, *shows, *body]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call) and node.exc.args:
            node.exc.args[0] = ast.Constant("another message")
        return node


def reword(source: str) -> str:
    return ast.unparse(ast.fix_missing_locations(Reworded().visit(ast.parse(source))))


@pytest.mark.parametrize("package", [each for each in ROOMS if each != "operate"])
def test_rewording_a_room_reruns_nothing(hashes, package):
    folder, hash_all = hashes
    first = hash_all()
    for path in sorted((folder / package).rglob("*.py")):
        path.write_text(reword(path.read_text()))
    assert hash_all() == first


def test_no_result_depends_on_operation(hashes):
    folder, hash_all = hashes
    first = hash_all()
    for path in (folder / "operate").rglob("*.py"):
        path.unlink()
    assert hash_all() == first


@pytest.mark.parametrize(
    ("changed", "rerun"),
    [
        ("train/grpo.py", {"train.grpo", "cost.benchmark"}),
        ("settings/rl.py", {"train.grpo", "cost.benchmark", "experiments.", "report.claims"}),
        ("report/style.py", {"experiments."}),
        ("experiments/longer.py", {"experiments.longer"}),
        ("report/claims.py", {"report.claims"}),
    ],
)
def test_a_change_reruns_the_stages_that_use_it_alone(hashes, changed, rerun):
    folder, hash_all = hashes
    first, path = hash_all(), folder / changed
    source = path.read_text()
    path.write_text(source + "\n_X = 1\n")
    after = hash_all()
    path.write_text(source)
    different = {stage for stage in first if first[stage] != after[stage]}
    assert different
    wanted = tuple(f"workflow_scripts.{each}" for each in rerun)
    assert all(stage.startswith(wanted) for stage in different), different
