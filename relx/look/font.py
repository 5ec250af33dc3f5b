"""A font with Korean letters, from the system or from `relx[look]`: no letter becomes a box."""

from __future__ import annotations

import base64
import functools
import importlib.util
import io
from pathlib import Path

from relx.faults import Fault, InputError

# The best known first; any other font of the system with these letters comes after them.
FAMILIES = (
    "Pretendard",
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "Nanum Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "Malgun Gothic",
)
PACKAGE = "koreanize_matplotlib"  # only its font file is used; it is not imported
SAMPLE = "가힣한글"
MISSING = "?"  # in place of a letter that no font has


@functools.cache
def korean_font() -> Path:
    """Finds a font file that has Korean letters.

    Returns:
        The file of a font of the system, else of the one that `relx[look]` brings.

    Raises:
        InputError: There is none.
    """
    from matplotlib import font_manager

    known = {font.name: Path(font.fname) for font in font_manager.fontManager.ttflist}
    named = [known[name] for name in FAMILIES if name in known]
    for path in (*named, *_shipped()):
        if path.is_file() and set(map(ord, SAMPLE)) <= letters_of(path):
            return path
    what = "there is no font with Korean letters on this machine"
    allowed = f"one of {', '.join(FAMILIES)}"
    raise InputError(Fault(what, "", "", allowed, "pip install 'relx[look]' brings one"))


@functools.cache
def families() -> tuple[str, ...]:
    """Registers the Korean font with matplotlib.

    Returns:
        The families to draw with, the later ones for letters that the earlier lack.
    """
    from matplotlib import font_manager

    path = korean_font()
    font_manager.fontManager.addfont(path)
    return (font_manager.FontProperties(fname=str(path)).get_name(), "DejaVu Sans")


@functools.cache
def letters_of(path: Path) -> frozenset[int]:
    """Returns the code points that a font file has a glyph for."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(path)).get_charmap())


def drawable(text: str) -> str:
    """Replaces the letters that no font here has, which would be drawn as empty boxes.

    Args:
        text: Any text.

    Returns:
        The text, as long as before.
    """
    known = _known()
    return "".join(letter if ord(letter) in known else MISSING for letter in text)


def embedded_font(text: str) -> str:
    """Makes a small font of the letters of a page, for readers whose system has no Korean font.

    Args:
        text: The page.

    Returns:
        A rule of a style sheet that defines the font `relx letters`; empty where no letter is
        beyond Latin, or `relx[look]` has not brought its font.
    """
    # A system's font may not be passed on; the licence of the one that relx[look] brings allows it.
    font = next(iter(_shipped()), None)
    letters = {ord(letter) for letter in set(text)} - set(range(0x250))
    letters &= letters_of(font) if font else frozenset()
    if font is None or not letters:
        return ""
    data = base64.b64encode(_subset(font, letters)).decode()
    source = f"url(data:font/woff;base64,{data}) format('woff')"
    return f"@font-face {{ font-family: 'relx letters'; src: {source}; }}\n"


def _subset(path: Path, letters: set[int]) -> bytes:
    """Cuts a font to some letters, and packs it as the web does."""
    from fontTools.subset import Options, Subsetter, load_font, save_font

    options = Options(flavor="woff", layout_features=[], hinting=False, notdef_outline=True)
    options.drop_tables += [f"TSI{number}" for number in range(6)]
    font = load_font(str(path), options, dontLoadGlyphNames=True)
    cutter = Subsetter(options)
    cutter.populate(unicodes=letters)
    cutter.subset(font)
    stream = io.BytesIO()
    save_font(font, stream, options)
    return stream.getvalue()


@functools.cache
def _known() -> frozenset[int]:
    from matplotlib import font_manager

    fallback = Path(font_manager.findfont("DejaVu Sans"))
    return letters_of(korean_font()) | letters_of(fallback)


def _shipped() -> tuple[Path, ...]:
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec.submodule_search_locations or []) if spec else []
    return tuple(Path(folder) / "fonts" / "NanumGothic.ttf" for folder in folders)
