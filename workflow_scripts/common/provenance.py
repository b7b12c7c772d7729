"""What made a result: the content of the code, the packages, the commit, the device."""

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
# Modules of the project that cannot change a result; what they import does not count either. The
# tests of equal bits would notice if one did.
_WITHOUT_EFFECT = {
    "workflow_scripts.common.errors",  # how faults are told
    "workflow_scripts.common.files",  # how files are written whole, and hashed
    "workflow_scripts.common.jobs",  # how a stage is called
    "workflow_scripts.common.lock",  # who may work
    "workflow_scripts.common.progress",  # what is shown meanwhile
    "workflow_scripts.common.provenance",  # what is noted of it
}
# Where one of these is imported, the others are at work behind it.
_TORCH = {"torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "numpy"}

_PACKAGE_OF = {"yaml": "PyYAML"}  # where it is not named as its module is


def _module_path(module: str) -> Path | None:
    base = PACKAGE.parent / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


# What shows something to people: print(...), progress.show(...), and ProgressLine(...) before it.
_SHOWING, _PROGRESS = {"print", "show"}, "ProgressLine"


class _WithoutWords(ast.NodeTransformer):
    """Removes what only people read: docstrings, messages of errors, what is shown."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A statement of text (a docstring, also one of a setting) or of showing disappears."""
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if is_text or _called(node.value) in _SHOWING else node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """So does what is made to be shown."""
        return ast.Pass() if _called(node.value) == _PROGRESS else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        """So does the import of what has no effect."""
        return ast.Pass() if node.module in _WITHOUT_EFFECT else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Which error is raised counts, its message does not."""
        if isinstance(node.exc, ast.Call):
            return ast.Raise(exc=node.exc.func, cause=None)
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Drop the statements that became nothing, so that adding one changes nothing."""
        super().generic_visit(node)
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                kept = [each for each in statements if not isinstance(each, ast.Pass)]
                setattr(node, field, kept)
        return node


def _called(node: ast.expr) -> str | None:
    """The name of the function or method that an expression calls."""
    if not isinstance(node, ast.Call):
        return None
    function = node.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _imports(tree: ast.Module) -> set[str]:
    """The modules that a module imports, wherever the import stands."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@cache
def _parsed(module: str) -> tuple[str, frozenset[str]]:
    """The code of one of the project's modules, and what it imports."""
    path = _module_path(module)
    if path is None:
        raise ValueError(f"{module} is no module of {PACKAGE.name}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = _imports(tree)
    return ast.dump(_WithoutWords().visit(tree)), frozenset(imports)


@cache
def _closure(module: str) -> frozenset[str]:
    """A module and the project's modules that it imports, directly or not."""
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
    """Hash of a module's code and of the project's modules that it imports, directly or not.

    Comments, layout, docstrings, messages of errors and what is printed do not count: the hash is
    of the syntax tree without them.
    """
    code = [(name, _parsed(name)[0]) for name in sorted(_closure(module))]
    return hashlib.sha256(repr(code).encode()).hexdigest()[:16]


@cache
def _pins() -> dict[str, str]:
    """The pinned version of every package, by name."""
    lines = (PACKAGE.parent / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@cache
def pinned_packages(module: str) -> dict[str, str]:
    """The pins of the packages that the code of `code_hash` imports, installed or not."""
    imported = {name.split(".")[0] for each in _closure(module) for name in _parsed(each)[1]}
    imported -= {PACKAGE.name, *sys.stdlib_module_names}
    if "torch" in imported:
        imported |= _TORCH
    names = sorted(_PACKAGE_OF.get(name, name) for name in imported)
    return {name: _pins()[name] for name in names}


def package_versions(module: str) -> dict[str, str]:
    """The versions installed of `pinned_packages`."""
    return {name: version(name) for name in pinned_packages(module)}


def forget_code() -> None:
    """Read code and pins again: a process keeps what it knows of them."""
    for function in (_parsed, _closure, code_hash, _pins, pinned_packages):
        function.cache_clear()


def refuse_other_versions(packages: Collection[str] = _TORCH) -> None:
    """Raise StudyError if a package is installed in another version than the pinned one.

    What is not installed is not refused: figures are drawn without torch.
    """
    for name in sorted(packages):
        try:
            found = version(name).split("+")[0]  # 2.13.0+cpu
        except PackageNotFoundError:
            continue
        if found != _pins()[name]:
            raise StudyError(
                f"{name} {found} is installed and {_pins()[name]} is pinned in requirements.txt: "
                "make install"
            )


def git_commit() -> str:
    """The commit of the working tree, with ``-dirty`` if tracked files differ."""
    command = ["git", "-C", str(PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
