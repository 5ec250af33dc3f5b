"""Draws the layers of the code: docs/pictures/layers.svg.

    python docs/layers.py            draws the picture
    python docs/layers.py --check    says whether the picture is up to date; exit status 1 if not

A module imports only from layers below its own. import-linter holds the code to it, and a test
holds this list to import-linter's contract in pyproject.toml.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path

PICTURE = Path(__file__).parent / "pictures" / "layers.svg"
# Top first: the modules of a layer, which do not know each other, and what they hold.
LAYERS = (
    (("relx_cli",), "the commands: parse, call, print"),
    (("tapt",), "stage 1: masked-LM pretraining"),
    (("relx.look",), "pages, plots"),
    (("relx.ensemble_answers",), "what is blended and written"),
    (("relx.ensemble_members",), "runs and answer files to blend"),
    (("relx.sides", "relx.ensemble"), "runs and submissions; blends of them"),
    (("relx.study",), "options over seeds, a run each"),
    (("relx.compare", "relx.train_folds"), "predictions compared; folds"),
    (
        ("relx.score", "relx.attention", "relx.predict_file", "relx.trained_rows"),
        "what these commands do",
    ),
    (("relx.train", "relx.predict", "relx.validate"), "likewise"),
    (("relx.out_of_fold", "relx.fold_model"), "folds together; one of them"),
    (("relx.doubts",), "what is doubtful in rows without a fault"),
    (("relx.window",), "what a window cuts off"),
    (("relx.family",), "what encoders and decoders do for both"),
    (("relx.dev_rows",), "those that a run chose its epochs by"),
    (("relx.dataset",), "the rows of a recipe, read once"),
    (("relx.answers",), "how answer files are read"),
    (("relx.engines", "relx.footprint"), "what predicts; how much memory it takes"),
    (("relx.models", "relx.tasks"), "text to logits; rows to text, answers"),
    (("relx.training",), "one loop, checkpoints, logs"),
    (("relx.devices", "relx.scoring"), "what computes; scores of probabilities"),
    (("relx.data", "relx.runs"), "tables to batches; folders of runs"),
    (("relx.shipped",), "the recipes that ship"),
    (("relx.recipe_file",), "YAML, --set, messages"),
    (("relx.recipe",), "the schema"),
    (("relx.stage_sections",), "the two stages in it"),
    (
        ("relx.model_sections", "relx.known_tasks", "relx.template"),
        "models in it; tasks; {placeholders}",
    ),
    (
        (
            *(
                "relx.deadline",
                "relx.progress",
                "relx.files",
                "relx.garbage",
                "relx.plain_yaml",
                "relx.spans",
                "relx.stopping",
            ),
            "relx.tensors",
        ),
        "the ground",
    ),
    (("relx.faults",), "what a user can get wrong"),
)
WIDTH, BOXES, ROW, GAP, MARGIN = 900, 560, 34, 6, 20
BOLD = {"relx.models", "relx.tasks"}  # where the two choices of a run live


def svg() -> str:
    """Returns the picture."""
    height = 2 * MARGIN + len(LAYERS) * (ROW + GAP) - GAP
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="14">',
        "<title>The layers of relx: a module imports only from layers below its own</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f6f7fb"/>',
    ]
    for number, (modules, holds) in enumerate(LAYERS):
        lines += layer(MARGIN + number * (ROW + GAP), modules, holds)
    return "\n".join([*lines, "</svg>", ""])


def layer(top: int, modules: tuple[str, ...], holds: str) -> list[str]:
    """Draws one layer: its modules side by side, and what they hold to the right."""
    width = (BOXES - GAP * (len(modules) - 1)) / len(modules)
    lines = []
    for place, module in enumerate(modules):
        left = MARGIN + place * (width + GAP)
        fill, stroke = ("#dfe6ff", "#3f51b5") if module in BOLD else ("#ffffff", "#c4c9d8")
        lines.append(
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}" rx="5" '
            f'fill="{fill}" stroke="{stroke}"/>'
        )
        lines.append(text(left + width / 2, top, module, "#1b1f33", 'text-anchor="middle"'))
    return [*lines, text(MARGIN + BOXES + 16, top, holds, "#4a4f63")]


def text(left: float, top: int, words: str, fill: str, more: str = "") -> str:
    """Writes words in the middle of a row."""
    place = f'x="{left:.1f}" y="{top + ROW / 2 + 5:.0f}" fill="{fill}"'
    return f"<text {' '.join(filter(None, (place, more)))}>{escape(words)}</text>"


def main() -> None:
    """Draws the picture, or checks it."""
    if "--check" not in sys.argv[1:]:
        PICTURE.write_text(svg(), encoding="utf-8")
    elif PICTURE.read_text(encoding="utf-8") != svg():
        sys.exit("docs/pictures/layers.svg is out of date: run python docs/layers.py")


if __name__ == "__main__":
    main()
