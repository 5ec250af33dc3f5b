"""The documents as the tests read them: code blocks, commands, tables, links, headings."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
READMES = ["README.md", "README.ko.md"]
DOCS = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS = [*READMES, "CONTRIBUTING.md", "CHANGELOG.md", *DOCS]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def prose_of(document: str) -> str:
    """The text without its code blocks."""
    return FENCE.sub("", text_of(document))


def blocks(document: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return [body for _, kind, body in FENCE.findall(text_of(document)) if kind == language]


def languages(document: str) -> list[str]:
    return [kind for _, kind, _ in FENCE.findall(text_of(document))]


def commands(document: str) -> list[list[str]]:
    """The words of every command in the sh blocks, without settings of the environment."""
    lines = "".join(blocks(document, "sh")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    bare = [_without_settings(words) for words in found]
    return [words for words in bare if words]


def _without_settings(words: list[str]) -> list[str]:
    """Leaves out `NAME=value` before a command."""
    while words and re.match("[A-Z_]+=", words[0]):
        words = words[1:]
    return words


def inline_commands(document: str, program: str) -> list[list[str]]:
    """The words of every command in the prose that begins with the program's name."""
    found = re.findall(rf"`({program} [^`]+)`", prose_of(document))
    return [shlex.split(words) for words in found]


def tables(document: str) -> list[list[list[str]]]:
    """The cells of every table's rows, without the header."""
    bodies = re.findall(r"^\| ---.*\n((?:\|.*\n)+)", text_of(document), re.MULTILINE)
    return [
        [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in body.splitlines()]
        for body in bodies
    ]


def links(document: str) -> list[str]:
    """Where the links and pictures of the prose lead to."""
    return LINK.findall(re.sub("`[^`]*`", "", prose_of(document)))


def headings(document: str, level: str = "#+") -> list[str]:
    return re.findall(rf"^{level} (.+)$", prose_of(document), re.MULTILINE)


def anchors(document: str) -> set[str]:
    """The ids that the headings get, in MkDocs and on a forge alike."""
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings(document)]
    return {re.sub(r"\s", "-", heading) for heading in plain}
