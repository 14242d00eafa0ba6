"""Hooks of the documentation site: no page loads anything from the network."""

from __future__ import annotations

import re
from typing import Any

from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

REMOTE = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"></script>')
LOCAL = "assets/file-worker.js"


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Load the worker for pages opened from a folder from the site itself; the theme loads it from a public server."""
    return REMOTE.sub(f'<script src="{get_relative_url(LOCAL, page.url)}"></script>', output)


def on_post_template(output_content: str, **_: Any) -> str:
    """Do the same for the page of a missing address."""
    return REMOTE.sub(f'<script src="/{LOCAL}"></script>', output_content)
