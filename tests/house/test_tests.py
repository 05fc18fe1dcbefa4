"""The tests themselves: each asserts something, whatever its loops find."""

import ast
import random
import re
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.repository import ROOT

FILES = [file.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")]

NEVER_EMPTY = ("nonempty", "range")
AS_LONG_AS_WHAT_THEY_ARE_GIVEN = (
    "enumerate",
    "list",
    "map",
    "product",
    "reversed",
    "sorted",
    "zip",
)


def has_items(node: ast.expr, names: set[str]) -> bool:
    """Tell whether it cannot be empty: a literal, such names, enums, and what is made of these."""
    match node:
        case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
            return bool(items)
        case ast.Dict(keys=keys):
            return bool(keys)
        case ast.Constant(value=str(text)):
            return bool(text)
        case ast.Name(id=name):
            return name in names or not (name.islower() or name.isupper())
        case ast.ListComp(generators=[made]) | ast.DictComp(generators=[made]):
            return has_items(made.iter, names) and not made.ifs
        case ast.Call(func=ast.Attribute(value=inner, attr="items" | "keys" | "values")):
            return has_items(inner, names)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
            if name in AS_LONG_AS_WHAT_THEY_ARE_GIVEN:
                given = arguments[1:] if name == "map" else arguments
                return all(has_items(each, names) for each in given)
            return name in NEVER_EMPTY
    return False


def named(statements: Sequence[ast.stmt], names: set[str]) -> set[str]:
    """Return the names, and those that the statements give to what cannot be empty."""
    known = set(names)
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if has_items(value, known):
                known.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                if has_items(value, known):
                    known.add(name)
    return known


def is_guarded(loop: ast.For | ast.AsyncFor, function: ast.AST) -> bool:
    """Tell whether an assert before the loop is about what the loop goes over."""
    names = {node.id for node in ast.walk(loop.iter) if isinstance(node, ast.Name)}
    return any(
        names & {node.id for node in ast.walk(check) if isinstance(node, ast.Name)}
        for check in ast.walk(function)
        if isinstance(check, ast.Assert) and check.lineno < loop.lineno
    )


def empty_loops(function: ast.AST, names: set[str]) -> list[int]:
    """Return the lines of loops that assert, and would assert nothing of no items."""
    names = named([node for node in ast.walk(function) if isinstance(node, ast.stmt)], names)
    return [
        node.lineno
        for node in ast.walk(function)
        if isinstance(node, ast.For | ast.AsyncFor)
        and any(isinstance(inner, ast.Assert) for inner in ast.walk(node))
        and not has_items(node.iter, names)
        and not is_guarded(node, function)
    ]


def asserts_in_ifs_alone(function: ast.AST) -> bool:
    asserts = {node for node in ast.walk(function) if isinstance(node, ast.Assert)}
    return bool(asserts) and asserts == {
        inner
        for node in ast.walk(function)
        if isinstance(node, ast.If) and not node.orelse
        for inner in ast.walk(node)
        if isinstance(inner, ast.Assert)
    }


def may_assert_nothing(file: Path) -> list[str]:
    tree = ast.parse((ROOT / file).read_text())
    names = named(tree.body, set())
    return [
        f"{file}::{function.name}"
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and function.name.startswith("test_")
        and (empty_loops(function, names) or asserts_in_ifs_alone(function))
    ]


def test_no_test_asserts_nothing_where_a_loop_is_empty() -> None:
    """Let such a loop go over `nonempty(rows)`, or assert how many there are before it."""
    assert {name for file in FILES for name in may_assert_nothing(file)} == set()


LIMIT = re.compile(r"[A-Z_]*(MAX|MIN|LEEWAY|DEFAULT|KEPT|REMEMBERED)[A-Z_]*")


def test_a_limit_stands_in_the_tests_as_a_number() -> None:
    """A test that imports it would agree with any other number."""
    imported = {
        f"{file}: {alias.name}"
        for file in FILES
        for node in ast.walk(ast.parse((ROOT / file).read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if LIMIT.fullmatch(alias.name)
    }
    assert imported == set()


@settings(max_examples=5)
@given(st.builds(random.random))
def test_the_random_numbers_of_servers_fail_no_property_test(number: float) -> None:
    """Servers run in threads of the tests, and draw numbers while Hypothesis does."""
    assert 0 <= number < 1
