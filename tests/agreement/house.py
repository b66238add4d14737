"""What the plan of the house is counted by: circles of files, long functions, long signatures, words that say nothing.

`python -m tests.agreement.house [--names] [--docstrings]` prints counts and places; `test_house.py` holds them.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("cli", "functions", "local", "pipelines", "workflows")
MOST_LINES, MOST_PARAMETERS = 40, 6
EMPTY_NAMES = frozenset({"found", "given", "answer", "one"})
"""They say that a value was come by, not what it is."""
_NO_VERBS = frozenset({
    "a", "after", "all", "an", "anything", "as", "at", "before", "between", "both", "by", "each", "either", "every",
    "everything", "everybody", "false", "for", "from", "how", "if", "in", "into", "it", "its", "neither", "no",
    "nobody", "none", "not", "nothing", "of", "on", "one", "only", "or", "other", "others", "some", "something",
    "such", "that", "the", "their", "them", "these", "they", "this", "those", "to", "true", "two", "under", "until",
    "what", "when", "where", "whether", "which", "while", "who", "whoever", "whose", "why", "with", "without",
})  # fmt: skip
"""What begins a docstring whose subject is the name of its function."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method, with its size; `place` is `module:Class.name`."""

    place: str
    lines: int
    """From `def` to its last line, without decorators and docstring."""
    parameters: int
    """Without self and cls."""


def modules(root: Path = ROOT) -> Mapping[str, ast.Module]:
    """Every module of ours by its dotted name, parsed; what `algorithms new` copies out is not a part of the house."""
    trees: dict[str, ast.Module] = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if "starters" in parts and len(parts) > 3:
                continue
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            trees[name] = ast.parse(path.read_text(), str(path))
    return trees


def parsed(texts: Mapping[str, str]) -> Mapping[str, ast.Module]:
    """Returns modules by name, of texts by name."""
    return {name: ast.parse(text, name) for name, text in texts.items()}


def circles(trees: Mapping[str, ast.Module]) -> list[list[str]]:
    """Returns the groups of files that import one another, however far around; TYPE_CHECKING counts, too."""
    imports = {name: sorted(_imported(name, tree, trees)) for name, tree in trees.items()}
    return sorted(sorted(group) for group in _components(imports) if len(group) > 1)


def functions(trees: Mapping[str, ast.Module]) -> Iterator[Function]:
    for module, tree in trees.items():
        yield from _functions(f"{module}:", tree)


def empty_names(trees: Mapping[str, ast.Module]) -> Counter[str]:
    """How often each module binds a name of EMPTY_NAMES: by assignment, loop, `with`, `except` or parameter."""
    counts: Counter[str] = Counter()
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.arg):
                name = node.arg
            elif isinstance(node, ast.ExceptHandler) and node.name:
                name = node.name
            else:
                continue
            if name in EMPTY_NAMES:
                counts[f"{module}: {name}"] += 1
    return counts


def fragments(trees: Mapping[str, ast.Module]) -> Iterator[str]:
    """Yields the functions whose docstring begins without a verb; a property is a noun, and so may its docstring be."""
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_property(node):
                words = (ast.get_docstring(node) or "").split()
                if words and words[0].strip("`.,:;()").lower() in _NO_VERBS:
                    yield f"{module}:{node.lineno} {node.name}: {' '.join(words[:8])}"


def _is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"property", "cached_property"})


def _imported(module: str, tree: ast.Module, trees: Mapping[str, ast.Module]) -> set[str]:
    """The modules of ours that this one names. A package is named by importing from it, not by importing below it."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                names.add(below if below in trees else node.module)
    return {name for name in names if name in trees and name != module}


def _components(imports: Mapping[str, list[str]]) -> list[list[str]]:
    """Strongly connected components, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in imports[module]:
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            at = stack.index(module)
            components.append(stack[at:])
            del stack[at:]

    for module in imports:
        if module not in index:
            visit(module)
    return components


def _functions(prefix: str, node: ast.AST) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{prefix}{child.name}", _lines(child), _parameters(child))
            yield from _functions(f"{prefix}{child.name}.", child)
        elif isinstance(child, ast.ClassDef):
            yield from _functions(f"{prefix}{child.name}.", child)
        else:
            yield from _functions(prefix, child)


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([argument for argument in named if argument.arg not in ("self", "cls")])


def main() -> None:
    trees = modules()
    groups = circles(trees)
    print(f"files in import circles: {sum(map(len, groups))}")
    for group in groups:
        print("  " + ", ".join(group))
    every = list(functions(trees))
    print(f"functions: {len(every)}")
    for function in every:
        if function.lines > MOST_LINES:
            print(f"  {function.lines} lines: {function.place}")
        if function.parameters > MOST_PARAMETERS:
            print(f"  {function.parameters} parameters: {function.place}")
    names = empty_names(trees)
    print(f"names that say nothing: {sum(names.values())}")
    if "--names" in sys.argv:
        for place, count in names.most_common():
            print(f"  {count} {place}")
    without_verb = list(fragments(trees))
    print(f"docstrings without a verb: {len(without_verb)}")
    if "--docstrings" in sys.argv:
        for place in without_verb:
            print(f"  {place}")


if __name__ == "__main__":
    main()
