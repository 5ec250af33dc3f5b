"""The libraries that draw: `relx[look]`, which a machine that only trains can do without."""

from __future__ import annotations

import importlib.util

from relx.faults import Fault, InputError

# What is imported, and what it is called where it is installed from.
LIBRARIES = {
    "jinja2": "Jinja2",
    "kiwipiepy": "kiwipiepy",
    "matplotlib": "matplotlib",
    "wordcloud": "wordcloud",
}


def require_look(command: str) -> None:
    """Checks that the libraries which draw are installed, without importing them.

    Args:
        command: The command that needs them, such as `relx eda`.

    Raises:
        InputError: Some are missing.
    """
    missing = [name for module, name in LIBRARIES.items() if not _is_installed(module)]
    if missing:
        what = f"{command} draws, and what it draws with is not installed"
        received = f"missing: {', '.join(missing)}"
        raise InputError(Fault(what, "", received, next_step="pip install 'relx[look]'"))


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
