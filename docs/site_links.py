"""Checks a built site: every link leads somewhere, and nothing is loaded from a network.

    python docs/site_links.py build/site

Links between pages must lead to a file of the site, and to an id in it where they name one.
Scripts, styles, fonts and pictures must be files of the site. Pages elsewhere are not asked for.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
NOT_LOADED = {"canonical", "next", "prev", "alternate"}  # links to pages, in a page's head
ELSEWHERE = re.compile(r"url\(\s*['\"]?(?:https?:)?//")


class Link(NamedTuple):
    """A link as it stands in a page, and whether the browser loads it by itself."""

    target: str
    loaded: bool


class Page(HTMLParser):
    """The links and the ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes the links and the id of a tag."""
        values = dict(attrs)
        self.ids |= {values[name] or "" for name in ("id", "name") if name in values}
        relation = set((values.get("rel") or "").split())
        for name in ("href", "src"):
            if values.get(name):
                loaded = (tag, name) in LOADED and not relation & NOT_LOADED
                self.links.append(Link(str(values[name]), loaded))


def faults(site: Path) -> Iterator[str]:
    """Yields what is wrong with the links and styles of a site."""
    pages = {file: Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no pages"
    for file, page in pages.items():
        for link in page.links:
            fault = fault_of(link, file, pages, site)
            if fault:
                yield f"{file.relative_to(site)}: {link.target} {fault}"
    for style in sorted(site.rglob("*.css")):
        if ELSEWHERE.search(style.read_text(encoding="utf-8")):
            yield f"{style.relative_to(site)} loads something from a network"


def fault_of(link: Link, file: Path, pages: dict[Path, Page], site: Path) -> str:
    """Says what is wrong with a link; nothing where it is right."""
    parts = urlsplit(link.target)
    if parts.scheme == "data":
        return ""
    if parts.scheme or parts.netloc:
        return "is loaded from a network" if link.loaded else ""
    # The page for lost readers is served from any depth, so its links count from the root.
    base = site if parts.path.startswith("/") else file.parent
    path = base / unquote(parts.path).lstrip("/") if parts.path else file
    path = (path / "index.html" if path.is_dir() else path).resolve()
    known = {page.resolve(): page_ for page, page_ in pages.items()}
    if not path.is_file():
        return "leads nowhere"
    missing = parts.fragment and path in known and unquote(parts.fragment) not in known[path].ids
    return "names a part that is not there" if missing else ""


def main() -> None:
    """Prints every fault; the exit status is 1 if there are any."""
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
