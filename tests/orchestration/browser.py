"""Prefect's and MLflow's pages in a headless Chromium, used as a person would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
NEAREST = "xpath=ancestor::div[contains(concat(' ', @class, ' '), ' p-label ')][1]"
"""From a form field's title to the box of title, description and input."""


@contextmanager
def opened() -> Iterator[Page]:
    """An empty page; the test is skipped where there is no Chromium."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.set_default_timeout(30_000)
        expect.set_options(timeout=30_000)
        yield page
        browser.close()


def open_form(page: Page, prefect: str, deployment: str) -> None:
    """From the list of deployments to the form of a custom run."""
    page.goto(f"{prefect}/deployments")
    page.get_by_placeholder("Search deployments").fill(deployment)
    page.get_by_role("link", name=deployment, exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").first.click()
    field(page, "workspace (Optional)").wait_for()


def box(page: Page, title: str) -> Locator:
    """The first field of this title, with its description."""
    return page.locator("span.schema-form-property__label").get_by_text(title, exact=True).first.locator(NEAREST)


def field(page: Page, title: str) -> Locator:
    """Its input."""
    return box(page, title).locator("input, textarea").first


def open_run(page: Page, prefect: str, flow_run: str) -> None:
    """A flow run's page."""
    page.goto(f"{prefect}/runs/flow-run/{flow_run}")
    page.get_by_text("Logs", exact=True).first.wait_for()


def read_artifact(page: Page, prefect: str, flow_run: str, key: str) -> str:
    """Opens an artifact from its flow run's page, and gives the text there."""
    open_run(page, prefect, flow_run)
    page.get_by_text("Artifacts", exact=True).first.click()
    page.get_by_text("Task runs", exact=True).last.hover()
    page.mouse.wheel(0, 5000)  # the cards of task runs come when they are in sight
    card = page.locator("a[href*='artifacts/artifact']").filter(has_text=key).first
    page.goto(f"{prefect}{card.get_attribute('href')}")  # a click may miss: the cards move while others come
    page.get_by_text("Show raw data").wait_for()
    return page.inner_text("body")
