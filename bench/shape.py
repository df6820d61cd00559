"""`make shape`: sizes of files and functions, what importing costs, and the layers."""

import ast
import statistics
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "carapax"
_IMPORTED = (
    "carapax.version",
    "carapax.config",
    "carapax.cli.group",
    "carapax.store.sqlite",
    "carapax.agent.loop",
    "carapax.gateway.server",
    "carapax.app",
)
_LONGEST = 10


class Function(NamedTuple):
    """`lines` counts the body from its first statement after the docstring to its end."""

    file: Path
    name: str
    line: int
    lines: int


def modules(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every Python file below a folder, with its number of lines."""
    for path in sorted(folder.rglob("*.py")):
        yield path, len(path.read_text().splitlines())


def functions(path: Path) -> list[Function]:
    """Every function and method of a file."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        Function(path, node.name, node.lineno, _length(node))
        for node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def import_ms(module: str, rounds: int = 5) -> float:
    """What importing a module adds to the start of Python: the median of some rounds, in milliseconds."""
    return max(0.0, _start_ms(f"import {module}", rounds) - _start_ms("pass", rounds))


def main() -> None:
    sizes = list(modules(SOURCE))
    all_functions = [function for path, _ in sizes for function in functions(path)]
    lengths = [function.lines for function in all_functions]
    over = sum(length > 50 for length in lengths)
    lines = [count for path, count in sizes if path.name != "__init__.py"]
    tests = sum(count for _, count in modules(ROOT / "tests"))
    print(f"source   {sum(lines):,} lines in {len(lines)} files, median {statistics.median(lines):.0f}")
    print(f"tests    {tests:,} lines")
    print(f"functions {len(lengths):,}, median {statistics.median(lengths):.0f} lines, ", end="")
    print(f"{100 * over / len(lengths):.1f} % over 50 ({over})")
    print("\nlongest files")
    for path, count in sorted(sizes, key=lambda size: -size[1])[:_LONGEST]:
        print(f"  {count:5}  {path.relative_to(SOURCE)}")
    print("\nlongest functions")
    for function in sorted(all_functions, key=lambda function: -function.lines)[:_LONGEST]:
        print(f"  {function.lines:5}  {function.file.relative_to(SOURCE)}:{function.line} {function.name}")
    print("\nimporting costs (ms)")
    for module in _IMPORTED:
        print(f"  {import_ms(module):5.0f}  {module}")
    print("\nlayers, each importing only what stands below it")
    for layer in _layers():
        print(f"  {layer}")


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1


def _start_ms(code: str, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1000


def _layers() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    found: list[str] = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return found


if __name__ == "__main__":
    main()
