"""No fault of the catalogue that concerns a client is without a test here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

CATALOGUE = {f"F{number:02}" for number in (*range(1, 48), 49, *range(54, 58), *range(59, 66))}
"""F48, F50 to F53 and F58 are the gateway's and the bulk runner's."""


def named(text: str) -> set[str]:
    """The faults that a docstring begins with: ``F01:``, ``F36-F39, F41:``."""
    begun = re.match(r"((?:F\d\d(?:-F\d\d)?(?:, | and )?)+):", text)
    found: set[str] = set()
    for first, last in re.findall(r"F(\d\d)(?:-F(\d\d))?", begun[1]) if begun else ():
        found |= {f"F{number:02}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_every_fault_has_a_test() -> None:
    """Each id stands at the beginning of at least one test's sentence."""
    tested: set[str] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
                tested |= named(ast.get_docstring(node) or "")
    assert CATALOGUE - tested == set()
    assert tested - CATALOGUE == set()
