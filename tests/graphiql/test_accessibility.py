"""GraphiQL's page for everybody: axe finds nothing, and each mend of ours is still needed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.api import Server
from tests.graphiql.visits import Open, Visit
from tests.repository import ROOT

AXE = ROOT / "tests" / "clients" / "node_modules" / "axe-core" / "axe.min.js"
FIND = """async () => {
    document.activeElement.blur();
    await new Promise(done => setTimeout(done, 300));  // Until colours have changed.
    const { violations } = await axe.run({ resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => [id, html]));
}"""

pytestmark = pytest.mark.skipif(
    not AXE.exists(), reason="needs axe-core: npm ci --prefix tests/clients"
)


def show_refusal(visit: Visit) -> None:
    visit.write("Headers", '{"Authorization": "Bearer wrong"}')
    visit.run()
    visit.sees("(401)", within=".sentence")


def show_documentation(visit: Visit) -> None:
    visit.page.locator("#renew").click()
    visit.run()
    visit.sees('"nodes": [')
    visit.page.get_by_label("Show Documentation Explorer").click()
    visit.page.locator(".graphiql-plugin").get_by_role("link", name="Query", exact=True).click()


def show_explorer(visit: Visit) -> None:
    visit.page.get_by_label("Show GraphiQL Explorer").click()
    visit.sees("calendarLinks", within=".graphiql-plugin")


def show_examples(visit: Visit) -> None:
    visit.open("Examples").get_by_role("button", name="Today").wait_for()


STATES: list[Callable[[Visit], None]] = [
    show_refusal,
    show_documentation,
    show_explorer,
    show_examples,
]


def found_in(visit: Visit, widths: dict[str, int]) -> Iterator[tuple[str, str, str, str]]:
    """Yield what axe finds: the state, the width, the rule, and where."""
    page = visit.page
    page.evaluate(f"{AXE.read_text()};0")
    for show in STATES:
        show(visit)
        for name, width in widths.items():
            page.set_viewport_size({"width": width, "height": 900})
            for rule, where in page.evaluate(FIND):
                yield show.__name__, name, rule, where


@pytest.mark.parametrize(
    ("scheme", "widths"), [("light", {"phone": 390, "desk": 1400}), ("dark", {"desk": 1400})]
)
def test_axe_finds_nothing(
    open_graphiql: Open,
    development_server: Server,
    graphiql_folder: Path,
    scheme: Literal["light", "dark"],
    widths: dict[str, int],
) -> None:
    visit = open_graphiql(
        development_server, prepare=lambda page: page.emulate_media(color_scheme=scheme)
    )
    tabs = visit.page.locator(".graphiql-tabs")
    assert tabs.get_attribute("role") is None
    buttons = tabs.locator(".graphiql-tab-button").all()
    assert [button.get_attribute("aria-current") for button in buttons] == ["true", "false"]
    assert list(found_in(visit, widths)) == []


def test_without_our_mends_axe_finds_what_they_are_for(
    open_graphiql: Open, development_server: Server, graphiql_folder: Path
) -> None:
    visit = open_graphiql(
        development_server,
        prepare=lambda page: page.route(
            "**/accessible.js",
            lambda route: route.fulfill(
                body="export function mend() {}", content_type="text/javascript"
            ),
        ),
    )
    visit.page.evaluate("document.getElementById('accessible').remove()")
    rules = {rule for _, _, rule, _ in found_in(visit, {"desk": 1400})}
    # What is not found any more, GraphiQL does by itself: its mend can go.
    assert rules == {"nested-interactive", "select-name", "color-contrast", "link-in-text-block"}
