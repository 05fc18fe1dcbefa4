"""A search as one types."""

import pytest
from playwright.sync_api import Browser, expect

from tests.clients.web.site import Site
from tests.clients.web.window import PATIENCE, Window

AT_ONCE = """(letters) => {
  const field = document.querySelector("[type=search]");
  const { set } = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value");
  for (const letter of letters) {
    set.call(field, field.value + letter);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}"""
"""Types so fast that the browser tells of no address in between."""


@pytest.mark.parametrize("words", ["milk", "ilk"])
def test_no_letter_is_lost(browser: Browser, site: Site, words: str) -> None:
    context = browser.new_context()
    site.person(context, "Ada", "Milk", "Bread")
    window = Window(context, site.url)
    window.has("Milk", "Bread")
    window.page.evaluate(AT_ONCE, words)
    expect(window.page.get_by_role("searchbox")).to_have_value(words)
    expect(window.box("Bread")).to_be_hidden(timeout=PATIENCE)
    expect(window.box("Milk")).to_have_count(1 if words == "milk" else 0)
    assert window.page.url.endswith(f"#/search?words={words}")
    context.close()
