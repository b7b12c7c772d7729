"""The provenance of a result: a hash of the code, the package versions and the git commit."""

import ast
import hashlib
import subprocess
import sys
from collections.abc import Collection
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workflow_scripts.common.errors import StudyError

PACKAGE = Path(__file__).parents[1]
# Modules that cannot change a result. code_hash leaves out these modules, and modules imported only
# by these modules. If a module listed here did change a result, the tests that compare results bit
# for bit would fail.
_WITHOUT_EFFECT = {
    "workflow_scripts.common.errors",
    "workflow_scripts.common.files",
    "workflow_scripts.common.jobs",
    "workflow_scripts.common.lock",
    "workflow_scripts.common.progress",
    "workflow_scripts.common.provenance",
    "workflow_scripts.train.curves",
}
# Packages that import each other. A stage that imports torch depends on all of them.
_TORCH = {"torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "numpy"}

_PACKAGE_OF = {"yaml": "PyYAML"}  # modules whose package has a different name


@cache
def _module_path(module: str) -> Path | None:
    base = PACKAGE.parent / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


# Names of calls that only print output: print(...), progress.show(...), ProgressLine(...).
_SHOWING, _PROGRESS = {"print", "show"}, "ProgressLine"


class _WithoutWords(ast.NodeTransformer):
    """Removes code that affects only the words shown to people: docstrings, messages, output."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Remove docstrings, texts below settings fields, and calls that print output."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if is_text or _called(node.value) in _SHOWING else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Remove an assignment that creates a ProgressLine."""
        return ast.Pass() if _called(node.value) == _PROGRESS else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """Remove imports from modules that cannot change a result."""
        return ast.Pass() if node.module in _WITHOUT_EFFECT else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Keep the class of a raised error, and remove its message and cause."""
        if isinstance(node.exc, ast.Call):
            return ast.Raise(exc=node.exc.func, cause=None)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Visit the child nodes, then remove the `pass` statements that the other methods left."""
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                kept = [each for each in statements if not isinstance(each, ast.Pass)]
                setattr(node, field, kept)
        return node


def _called(node: ast.expr) -> str | None:
    """The name of the function or method that an expression calls, None if there is no name."""
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _imports(tree: ast.Module) -> set[str]:
    """The names of the modules that a module imports, anywhere in its code."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@cache
def _parse(source: str) -> tuple[str, frozenset[str]]:
    """The syntax tree of source code as text, and the names of the modules it imports."""
    tree = ast.parse(source)
    imports = _imports(tree)
    return ast.dump(_WithoutWords().visit(tree)), frozenset(imports)


@cache
def _parsed(module: str) -> tuple[str, frozenset[str]]:
    """What `_parse` returns for a project module."""
    path = _module_path(module)
    if path is None:
        raise ValueError(f"{module} is no module of {PACKAGE.name}")
    return _parse(path.read_text(encoding="utf-8"))


@cache
def _closure(module: str) -> frozenset[str]:
    """The names of a module and of the project modules that it imports, directly or indirectly."""
    pending, seen = [module], set()
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            _, imports = _parsed(name)
            pending += [
                imported
                for imported in imports - _WITHOUT_EFFECT
                if imported.split(".")[0] == PACKAGE.name and _module_path(imported)
            ]
    return frozenset(seen)


@cache
def code_hash(module: str) -> str:
    """A hash of the code of a module and of the project modules it imports, even indirectly.

    The hash covers syntax trees without docstrings, error messages and printed output. A change to
    such texts, to comments or to layout therefore leaves the hash unchanged.
    """
    code = [(name, _parsed(name)[0]) for name in sorted(_closure(module))]
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


@cache
def _pins() -> dict[str, str]:
    """The pinned version of every package in requirements.txt, by package name."""
    lines = (PACKAGE.parent / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@cache
def pinned_packages(module: str) -> dict[str, str]:
    """The pinned versions of the packages imported by the code that `code_hash` covers, by name."""
    imported = {name.split(".")[0] for each in _closure(module) for name in _parsed(each)[1]}
    imported -= {PACKAGE.name, *sys.stdlib_module_names}
    if "torch" in imported:
        imported |= _TORCH
    names = sorted(_PACKAGE_OF.get(name, name) for name in imported)
    return {name: _pins()[name] for name in names}


def package_versions(module: str) -> dict[str, str]:
    """The installed versions of the packages that `pinned_packages` returns, by name."""
    return {name: version(name) for name in pinned_packages(module)}


def forget_code() -> None:
    """Clear the caches, so that later changes to the code or to requirements.txt are seen.

    All but the cache of `_parse`: what a text says never changes.
    """
    for function in (_module_path, _parsed, _closure, code_hash, _pins, pinned_packages):
        function.cache_clear()


def refuse_other_versions(packages: Collection[str] = _TORCH) -> None:
    """Raise StudyError if the installed version of a package differs from the pinned version.

    A missing package is allowed: figures, for example, can be drawn without torch.
    """
    for name in sorted(packages):
        try:
            found = version(name).split("+")[0]  # without a build suffix: 2.13.0 for 2.13.0+cpu
        except PackageNotFoundError:
            continue
        if found != _pins()[name]:
            raise StudyError(
                f"{name} {found} is installed and {_pins()[name]} is pinned in requirements.txt: "
                "make install"
            )


def git_commit() -> str:
    """The hash of the project's git commit, with ``-dirty`` if tracked files have changed since.

    Never the name of a tag, which can be moved or lost. Returns "no commit" if git fails, for
    example outside a git repository.
    """
    describe = ["describe", "--always", "--dirty", "--abbrev=40", "--exclude", "*"]
    command = ["git", "-C", str(PACKAGE.parent), *describe]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
