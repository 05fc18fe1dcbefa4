"""The tests of what libraries offer run first: when these fail, others fail for the same reason."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name != "test_libraries.py")
