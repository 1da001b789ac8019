"""Mutation testing of the resilience modules: each small change of the code must make a test fail.

``python tests/mutants.py [breaker budget …] [--only tests/resilience/test_breaker.py …]`` prints the survivors, and
ends with 1 where fewer than 90 % of a module's mutants are killed. Each mutant runs in a child process of its own.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "core" / "src" / "understudy" / "resilience"
MODULES = ("breaker", "budget", "retry", "resume")
TESTS = ("tests/resilience", "tests/core/test_retry.py")
SHARE = 0.9
LIMIT = 20.0
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning")

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """What may stand in the place of this node."""
    match node:
        case ast.Compare(ops=[op]):
            for other in COMPARED[type(op)]:
                yield ast.Compare(node.left, [other()], node.comparators)
        case ast.Compare(ops=[first, *rest]):
            for other in COMPARED[type(first)]:
                yield ast.Compare(node.left, [other(), *rest], node.comparators)
            for other in COMPARED[type(rest[-1])]:
                yield ast.Compare(node.left, [first, *rest[:-1], other()], node.comparators)
        case ast.BinOp() if type(node.op) in CALCULATED:
            yield ast.BinOp(node.left, CALCULATED[type(node.op)](), node.right)
        case ast.BoolOp():
            yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield ast.Constant(node.value + 1)
            yield ast.Constant(node.value - 1)
        case ast.Constant(value=str()):
            yield ast.Constant(f"x{node.value}")
        case ast.IfExp():
            yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.If():
            yield ast.If(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
        case ast.Return(value=ast.expr() as value) if not (isinstance(value, ast.Constant) and value.value is None):
            yield ast.Return(ast.Constant(None))
        case ast.Assign() | ast.AugAssign() | ast.Raise():
            yield ast.Pass()
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield()):
            yield ast.Pass()
        case ast.Call(func=ast.Name(id="min" | "max" as name)):
            yield ast.Call(ast.Name("max" if name == "min" else "min", ast.Load()), node.args, node.keywords)
        case _:
            return


def is_left_out(node: ast.AST) -> bool:
    """Types and texts that are no behaviour: annotations, docstrings, what only a type checker runs."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.ImportFrom() | ast.Import():
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__")]):
            return True
    return False


def places(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Each node that may change: what holds it, in which field, at which place."""
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for index, child in enumerate(value) if isinstance(value, list) else ((None, value),):
            if isinstance(child, ast.AST) and not is_left_out(child):
                yield node, field, index
                yield from places(child)


def mutants(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Each mutant of a module, with where it is and what became of what."""
    tree = ast.parse(source)
    for holder, field, index in places(tree):
        held = getattr(holder, field)
        node = held if index is None else held[index]
        for other in changed(node):
            new = ast.copy_location(other, node)
            text = f"{node.lineno}: {ast.unparse(node)!s:.80}  →  {ast.unparse(ast.fix_missing_locations(new))!s:.80}"
            if index is None:
                setattr(holder, field, new)
            else:
                held[index] = new
            yield text.replace("\n", " "), ast.fix_missing_locations(copy.deepcopy(tree))
            if index is None:
                setattr(holder, field, node)
            else:
                held[index] = node


class Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads a changed tree in the place of one module."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> object:
        return importlib.util.spec_from_loader(fullname, self) if fullname == self.name else None

    def exec_module(self, module: object) -> None:
        exec(compile(self.tree, f"<{self.name}>", "exec"), vars(module))


def run(name: str, tree: ast.Module | None, tests: list[str]) -> int:
    """The exit code of the tests with this tree in a child process; -1 where they took too long."""
    child = os.fork()
    if not child:
        os.setsid()
        signal.alarm(int(LIMIT))  # it ends also where this program was ended before it
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        code = 1
        with contextlib.suppress(BaseException):  # whatever a mutant does, its child ends here
            import pytest

            if tree is not None:
                sys.meta_path.insert(0, Instead(f"understudy.resilience.{name}", tree))  # type: ignore[arg-type]
                # Before pytest, whose own loader rewrites the asserts of a distribution that has plugins for it.
                importlib.import_module(f"understudy.resilience.{name}")
            code = int(pytest.main([*OPTIONS, *tests]))
        os._exit(code)
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def main() -> int:
    """Run the mutants of the modules that were named, or of all four."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", choices=MODULES, default=[])
    parser.add_argument("--only", nargs="+", default=[str(ROOT / path) for path in TESTS])
    chosen = parser.parse_args()
    os.chdir(ROOT)
    os.environ["CI"] = "true"  # the same examples for each mutant
    # Imported once, for all children; nothing of the package itself, which each child imports with its mutant.
    for library in ("aiohttp", "aioresponses", "hypothesis.stateful", "pydantic", "pytest"):
        importlib.import_module(library)
    if run("", None, chosen.only):
        print("the tests fail without any change", flush=True)
        return 2
    enough = True
    for name in chosen.modules or MODULES:
        total, alive = 0, []
        for text, tree in mutants((SOURCES / f"{name}.py").read_text()):
            total += 1
            if run(name, tree, chosen.only) == 0:
                alive.append(text)
                print(f"  {name}.py:{text}", flush=True)
        killed = total - len(alive)
        enough = enough and killed >= SHARE * total
        print(f"{name}: {killed} of {total} killed ({killed / total:.1%})", flush=True)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
