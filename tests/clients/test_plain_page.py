"""A page of somebody who has just begun: of another port of this machine, with fetch alone."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import Browser, expect

from tests.api import Caller, Server

PAGE = """<!DOCTYPE html>
<title>Tasks</title>
<ul></ul>
<script type="module">
  const list = document.querySelector("ul");
  const show = (text) => {
    const item = document.createElement("li");
    item.textContent = text;
    list.append(item);
  };
  try {
    const response = await fetch(URL_OF_API, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: "Bearer " + TOKEN },
      body: JSON.stringify({ query: "{ tasks { nodes { title } } }" }),
    });
    const { data } = await response.json();
    data.tasks.nodes.forEach((task) => show(task.title));
  } catch (error) {
    show(String(error));
  }
</script>
"""


@contextmanager
def served(page: str) -> Iterator[str]:
    """Serve a page as Vite does, and yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def expect_shown(browser: Browser, server: Server, user: Caller, lines: list[str]) -> None:
    """Expect that the page of the user shows these lines."""
    url, token = json.dumps(f"{server.url}/graphql"), json.dumps(user.token)
    with served(PAGE.replace("URL_OF_API", url).replace("TOKEN", token)) as address:
        page = browser.new_page()
        page.goto(address)
        expect(page.get_by_role("listitem")).to_have_text(lines)


def test_on_the_embedded_database_it_gets_the_list(
    browser: Browser, development_server: Server
) -> None:
    user = development_server.user()
    user.create("Milk")
    expect_shown(browser, development_server, user, ["Milk"])


def test_with_a_database_it_gets_nothing_unless_its_origin_is_named(
    browser: Browser, server: Server
) -> None:
    user = server.user()
    user.create("Milk")
    expect_shown(browser, server, user, ["TypeError: Failed to fetch"])
