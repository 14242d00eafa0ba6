"""Look at a run and at the deployments in a browser, and keep what is seen: docs/figures/prefect-*.png.

Needs a running Prefect server with the deployments of prefect.yaml and one finished run of ``ingest`` (docs/how-to/schedule.md),
Chromium, and the packages playwright and pillow, which the project itself does not need::

    pip install playwright pillow
    PREFECT_API_URL=http://127.0.0.1:4200/api python docs/scripts/screenshots.py --chromium /usr/bin/chromium
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FIGURES = Path(__file__).resolve().parents[1] / "figures"
SIZE = {"width": 1280, "height": 1000}


def ask(api: str, path: str, **body: object) -> list[dict[str, Any]]:
    """Ask the server's API for a list."""
    request = urllib.request.Request(
        f"{api}/{path}/filter", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def latest_run(api: str) -> str:
    """Id of the last finished run of the flow `ingest`."""
    finished = {"state": {"type": {"any_": ["COMPLETED", "FAILED"]}}}
    (run,) = ask(
        api, "flow_runs", flows={"name": {"any_": ["ingest"]}}, flow_runs=finished, sort="END_TIME_DESC", limit=1
    )
    return str(run["id"])


def shoot(page: Page, name: str) -> None:
    """Save the page in few colours: small files, sharp letters."""
    path = FIGURES / name
    page.screenshot(path=path)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def visit(page: Page, address: str) -> None:
    """Open a page and wait until it has come to rest."""
    page.goto(address, wait_until="networkidle")
    page.wait_for_timeout(2500)


def main() -> None:
    """Take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    chosen = parser.parse_args()
    api = os.environ["PREFECT_API_URL"].rstrip("/")
    base = api.removesuffix("/api")
    run = latest_run(api)
    (nightly,) = ask(api, "deployments", deployments={"name": {"any_": ["nightly"]}}, limit=1)
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=options)
        page = browser.new_page(viewport=SIZE)
        visit(page, f"{base}/runs/flow-run/{run}")
        page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).last.click()
        page.wait_for_timeout(2500)
        shoot(page, "prefect-run.png")
        visit(page, f"{base}/deployments/deployment/{nightly['id']}/run")
        shoot(page, "prefect-deployments.png")
        browser.close()


if __name__ == "__main__":
    main()
