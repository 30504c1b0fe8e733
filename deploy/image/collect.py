"""What goes into an image: one service's package, and of `shared` only the modules that it can import.

`python collect.py CLONE PACKAGE INTO` copies them out of a clone of the repository, with the metadata in which a
program finds its own version. A list that is written by hand would hold too much, or one day too little.
"""

import ast
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

SHARED = "shared"
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc")


def reachable(clone: Path, package: str) -> set[Path]:
    """The files of `shared` that importing the package, and anything in it, may import. They are not run for this."""
    waiting = list((clone / SHARED).glob("__init__.py"))
    # the command line is a part of `shared` itself
    own = clone / package.replace(".", "/") if package.startswith(SHARED) else home(clone, package)
    waiting += own.rglob("*.py")
    reached: set[Path] = set()
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        for module in _imported(file):
            waiting += _files(clone, module)
    return {file for file in reached if file.is_relative_to(clone / SHARED)}


def home(clone: Path, package: str) -> Path:
    """The folder of a package that has the whole of its own folder: a service, or the simulator."""
    return next(clone.glob(f"*/*/{package}"))


def collect(clone: Path, package: str, into: Path) -> None:
    """Copy what the package needs of the project."""
    for file in reachable(clone, package):
        copy = into / file.relative_to(clone)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    if not package.startswith(SHARED):
        shutil.copytree(home(clone, package), into / package, ignore=_LEFT_OUT)
    _write_metadata(clone, into)


def _imported(file: Path) -> Iterator[str]:
    """Names of modules; some of them are names in a module, which no file has."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(clone: Path, module: str) -> Iterator[Path]:
    """The file of a module of `shared`, and the `__init__.py` of every package that it is in."""
    parts = module.split(".")
    if parts[0] != SHARED:
        return
    for depth in range(1, len(parts) + 1):
        path = clone.joinpath(*parts[:depth])
        yield from (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())


def _write_metadata(clone: Path, into: Path) -> None:
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = into / f"{project['name']}-{project['version']}.dist-info"
    folder.mkdir(parents=True)
    lines = ("Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}", "")
    (folder / "METADATA").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    collect(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
