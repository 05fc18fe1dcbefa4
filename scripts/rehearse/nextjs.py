"""Rehearses examples/nextjs in Chromium: two people sign up, add, tick, look on, and sign out.

    npm start --prefix examples/nextjs         # in another terminal
    uv run python -m scripts.rehearse.nextjs

It is no test of the suite, since Next.js compiles for longer than all other pages together.
"""

import shutil
import sys
import time
from uuid import uuid4

from playwright.sync_api import Page, expect, sync_playwright

PATIENCE = 180_000
"""Milliseconds; what is looked at first is compiled first."""


def sign_up(page: Page, name: str) -> str:
    """Make an account; return its e-mail address."""
    email = f"{uuid4().hex}@example.com"
    page.get_by_role("button", name="I am new here").click()
    page.get_by_label("Name").fill(name)
    enter(page, email, "Create an account")
    expect(page.get_by_text(name)).to_be_visible()
    return email


def enter(page: Page, email: str, button: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name=button).click()


def add(page: Page, title: str) -> None:
    field = page.get_by_label("What is to be done?")
    field.fill(title)
    field.press("Enter")


def has(page: Page, *titles: str) -> None:
    expect(page.get_by_role("listitem")).to_have_text(titles)


def main(url: str) -> None:
    began = time.monotonic()

    def see(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}")

    complaints: list[str] = []
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        ada = browser.new_context()
        page = ada.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        see("the page")
        email = sign_up(page, "Ada")
        see("signed up")
        add(page, "Milk")
        has(page, "Milk")
        see("a task")
        page.get_by_label("Milk").click()
        expect(page.get_by_label("Milk")).to_be_checked()
        see("ticked")

        second = ada.new_page()
        second.set_default_timeout(PATIENCE)
        second.goto(url)
        has(second, "Milk")
        add(second, "Bread")
        has(page, "Bread", "Milk")
        see("added in a second window, shown in the first")

        scripts = ada.new_page()
        scripts.route("**/*.js", lambda route: route.abort())
        scripts.goto(url)
        has(scripts, "Bread", "Milk")
        expect(scripts.get_by_label("Milk")).to_be_checked()
        see("the first page comes from the server, without any script")
        scripts.close()

        stranger = browser.new_context().new_page()
        stranger.set_default_timeout(PATIENCE)
        stranger.goto(url)
        sign_up(stranger, "Grace")
        add(stranger, "Compiler")
        has(stranger, "Compiler")
        has(page, "Bread", "Milk")
        see("another person sees their own tasks alone")

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("E-mail")).to_be_visible()
        enter(page, email, "Sign in")
        has(page, "Bread", "Milk")
        see("signed out, and in again")
        browser.close()
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://localhost:3000")
