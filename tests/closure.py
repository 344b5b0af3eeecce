"""Which files of this project a script imports, found without running anything."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def imported_modules(file: Path) -> Iterator[str]:
    """Yield the dotted names that `file` imports, also inside functions; ``a.b`` for ``from a import b`` too.

    Not what type checkers alone read.
    """
    for node in _that_run(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _that_run(tree: ast.AST) -> Iterator[ast.AST]:
    yield tree
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for other in child.orelse:
                yield from _that_run(other)
        else:
            yield from _that_run(child)


def project_files(module: str) -> Iterator[Path]:
    """Yield the project's files that importing `module` runs: packages on the way, then the module itself."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        path = ROOT.joinpath(*parts[:depth])
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                yield file


def import_closure(script: Path) -> set[str]:
    """Return `script` and every project file that it uses, directly or not, as paths below the root.

    Imported modules, and the templates that they name and that stand beside them.
    """
    seen: set[Path] = set()
    pending = [script]
    while pending:
        file = pending.pop()
        if file not in seen:
            seen.add(file)
            if file.suffix == ".py":
                pending += [found for module in imported_modules(file) for found in project_files(module)]
                pending += [file.with_name(name) for name in re.findall(r'"([\w.]+\.j2)"', file.read_text("utf-8"))]
    return {file.relative_to(ROOT).as_posix() for file in seen}
