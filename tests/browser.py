"""A real browser for the tests of pages: Chromium, headless, offline, and new each time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
CHROMEDRIVER = os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}


def require_browser() -> None:
    """Skips a test where there is no Chromium to run it in."""
    pytest.importorskip("selenium", reason="needs selenium")
    if CHROMIUM is None or CHROMEDRIVER is None:
        pytest.skip("needs chromium and chromedriver on the path, or in CHROMIUM and CHROMEDRIVER")


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Chrome]:
    """Starts a browser that is offline, and ends it.

    Args:
        folder: An empty folder, for the browser's own files and what it downloads.

    Yields:
        The driver; `open_page` shows it a page.
    """
    require_browser()
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=ChromeService(executable_path=str(CHROMEDRIVER)))
    try:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.emulateNetworkConditions", OFFLINE)
        save = {"behavior": "allow", "downloadPath": str(folder / "saved")}
        driver.execute_cdp_cmd("Browser.setDownloadBehavior", save)
        yield driver
    finally:
        driver.quit()


def open_page(
    driver: Chrome, page: Path, view: str = "", size: tuple[int, int] = (1400, 900)
) -> None:
    """Loads a page anew, in a window of its own size and in light colours.

    Args:
        driver: The browser.
        page: The file.
        view: What stands after `#` in the address.
        size: Width and height of what is seen, in CSS pixels.
    """
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    use_colors(driver, "light")
    driver.get("about:blank")  # else an address that differs after # alone is no new load
    logged(driver)
    requested(driver)
    driver.get(f"{page.as_uri()}{'#' + view if view else ''}")


def use_colors(driver: Chrome, scheme: str) -> None:
    """Makes the system's colours `light` or `dark`, as the page is told."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def logged(driver: Chrome) -> list[str]:
    """Returns what the console said since the last call: errors, warnings, all else."""
    return [f"{entry['level']} {entry['message']}" for entry in driver.get_log("browser")]


def requested(driver: Chrome) -> list[str]:
    """Returns the addresses that were asked for since the last call, data in the page aside."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
    urls = [params["request"]["url"] for params in asked]
    return [url for url in urls if not url.startswith(("data:", "blob:", "about:", "chrome"))]


def script(driver: Chrome, text: str, *values: Any) -> Any:
    """Runs a script in the page and returns what it returns."""
    return driver.execute_script(text, *values)
