"""What made a result: the content of the code, the packages, the commit, the device."""

import ast
import hashlib
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent
_PINNED = ("torch", "transformers", "tokenizers", "trl", "peft", "accelerate", "numpy")


def _module_path(module: str) -> Path | None:
    base = PACKAGE.parent / Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree


def _imports(tree: ast.Module) -> set[str]:
    """The project's modules that a module imports, wherever the import stands."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == PACKAGE.name and _module_path(name)}


@cache
def _parsed(module: str) -> tuple[str, frozenset[str]]:
    path = _module_path(module)
    if path is None:
        raise ValueError(f"{module} is no module of {PACKAGE.name}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = _imports(tree)
    return ast.dump(_without_docstrings(tree)), frozenset(imports)


@cache
def code_hash(module: str) -> str:
    """Hash of a module's code and of the project's modules that it imports, directly or not.

    Comments, docstrings and layout do not count: the hash is of the syntax tree.
    """
    pending, seen = [module], {}
    while pending:
        name = pending.pop()
        if name not in seen:
            seen[name], imports = _parsed(name)
            pending += imports
    return hashlib.sha256(repr(sorted(seen.items())).encode()).hexdigest()[:16]


def package_versions() -> dict[str, str]:
    return {package: version(package) for package in _PINNED}


def git_commit() -> str:
    """The commit of the working tree, with ``-dirty`` if tracked files differ."""
    command = ["git", "-C", str(PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
