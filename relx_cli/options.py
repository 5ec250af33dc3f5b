"""The options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, cast

import click

if TYPE_CHECKING:
    from relx.answers import AnswerOptions
    from relx.data.encoding import Encoding
    from relx.engines.engine import EngineName
    from relx.score import ScoredRows

Command = TypeVar("Command", bound=Callable[..., Any])
BACKENDS = ("tensorflow", "jax", "torch")
ENGINES = ("auto", "keras", "openvino")


def quiet_option(command: Command) -> Command:
    """Adds -q/--quiet, which silences progress; the command does not see it.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "Hide progress and notes; warnings, errors and results are still shown."
    return _switch("-q", "--quiet", help_=text, turn=_be_quiet)(command)


def unverified_option(command: Command) -> Command:
    """Adds --unverified, which takes a run whose files were changed; the command does not see it.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "Take the run's files as they are, though they are not those that its training left."
    return _switch("--unverified", help_=text, turn=_be_trusting)(command)


def _switch(*names: str, help_: str, turn: Callable[[bool], None]) -> Callable[[Command], Command]:
    """Adds a flag of the process, which is turned off again when the command ends."""

    def turned(context: click.Context, parameter: click.Parameter, on: bool) -> None:
        if on:
            turn(True)
            # Another command in the same process is not meant.
            context.find_root().call_on_close(lambda: turn(False))

    return click.option(*names, is_flag=True, expose_value=False, callback=turned, help=help_)


def _be_quiet(on: bool) -> None:
    from relx.progress import configure

    configure(quiet=on)


def _be_trusting(on: bool) -> None:
    from relx.runs.verified import trust

    trust(everything=on)


def runs_dir_option(command: Command) -> Command:
    """Adds --runs-dir; the command receives `runs_dir: Path`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    return click.option(
        "--runs-dir",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("runs"),
        show_default=True,
        help="The folder that holds all runs.",
    )(command)


def backend_option(command: Command) -> Command:
    """Adds --backend; the command receives `backend: str | None`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "The backend to compute with, instead of the recipe's device.backend."
    return click.option("--backend", type=click.Choice(BACKENDS), help=text)(command)


def engine_option(command: Command) -> Command:
    """Adds --engine; the command receives `engine: EngineName | None`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "The engine to predict with, instead of the recipe's predict.engine."
    return click.option("--engine", type=click.Choice(ENGINES), help=text)(command)


def ends_option(command: Command) -> Command:
    """Adds --ends; the command receives `ends: str | None`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = (
        "Whether an entity's end index is its last character.  [default: inclusive, or the run's]"
    )
    kind = click.Choice(["inclusive", "exclusive"])
    return click.option("--ends", type=kind, help=text)(command)


def encoding_option(command: Command) -> Command:
    """Adds --encoding, of the files that are read; the command receives `encoding: str | None`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "The files' encoding.  [default: UTF-8, or cp949 where that is Korean]"
    kind = click.Choice(["auto", "utf-8", "cp949"])
    return click.option("--encoding", type=kind, help=text)(command)


def page_option(name: str) -> Callable[[Command], Command]:
    """Adds --out, the page that a command writes; the command receives `out: Path`.

    Args:
        name: The page unless another is given.

    Returns:
        A decorator for a click command's function.
    """
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=Path(name),
        show_default=True,
        help="The page to write; its plots and numbers go beside it.",
    )


def draws_option(command: Command) -> Command:
    """Adds --draws, how often rows are drawn for the intervals; the command receives `draws: int`.

    Args:
        command: A click command's function.

    Returns:
        The function with the option.
    """
    text = "Bootstrap draws behind the intervals."
    kind = click.IntRange(40)
    return click.option("--draws", type=kind, default=1000, show_default=True, help=text)(command)


def recipe_options(command: Command) -> Command:
    """Adds --recipe, --set and -q; `relx.shipped.chosen_recipe` takes the two values.

    Args:
        command: A click command's function; it receives `recipe: str | None` and
            `settings: tuple[str, ...]`.

    Returns:
        The function with the options.
    """
    command = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a value of the recipe, such as train.epochs=1; may be repeated.",
    )(quiet_option(command))
    return click.option(
        "-r", "--recipe", metavar="PATH", help="A recipe file, or the name of one that ships."
    )(command)


def stage_options(command: Command) -> Command:
    """Adds what both stages take, besides `recipe_options`: how to begin, read and compute.

    Args:
        command: A click command's function; it also receives `runs_dir: Path`, `fresh: bool`,
            `skip_bad_rows: str | None` and `backend: str | None`.

    Returns:
        The function with the options.
    """
    command = click.option(
        "--skip-bad-rows",
        metavar="FILE",
        help="Leave out rows with faults; those of train.csv are written to FILE-train.csv.",
    )(command)
    command = click.option(
        "--fresh", is_flag=True, help="Start over; an earlier result is set aside, not deleted."
    )(command)
    return recipe_options(unverified_option(runs_dir_option(backend_option(command))))


class Predicted(TypedDict):
    """What `predicted_options` gives a command, to be passed on to `scored_rows`."""

    pred: Path | None
    run_name: str | None
    answers: AnswerOptions
    backend: str | None
    engine: EngineName | None
    runs_dir: Path


def predicted_options(command: Command) -> Command:
    """Adds the options that say whose predictions are looked at: a submission's or a run's.

    Args:
        command: A click command's function; it receives the keywords of `Predicted`.

    Returns:
        The function with the options.
    """
    command = backend_option(engine_option(answer_options(command)))
    command = unverified_option(runs_dir_option(command))
    run = "Score this run.  [default: the latest finished one]"
    command = click.option("--run", "run_name", help=run)(command)
    pred = "Score this submission."
    return click.option("--pred", type=click.Path(path_type=Path), help=pred)(command)


def answer_options(command: Command) -> Command:
    """Adds the options that say how answer files are read.

    Args:
        command: A click command's function; it receives `answers: AnswerOptions`.

    Returns:
        The function with the options.
    """

    @functools.wraps(command)
    def called(
        *,
        task: str | None,
        recipe: str | None,
        labels: str | None,
        negative: str | None,
        ends: str | None,
        thresholds: Path | None,
        percent: bool,
        encoding: Encoding | None,
        probs_order: str | None,
        **values: Any,
    ) -> Any:
        from relx.answers import AnswerOptions
        from relx.shipped import chosen_recipe

        if task is not None and recipe is not None:
            raise click.UsageError("name --task or --recipe, which names its task itself.")
        read = None if recipe is None else chosen_recipe(recipe, ())
        answers = AnswerOptions(
            task, read, labels, negative, ends, thresholds, percent, encoding, probs_order
        )
        return command(answers=answers, **values)

    decorated: Any = encoding_option(ends_option(called))
    for option, help_ in _ANSWERS.items():
        decorated = click.option(option, help=help_)(decorated)
    percent = "Of answer files: their numbers are percent, however small they are."
    decorated = click.option("--percent", is_flag=True, help=percent)(decorated)
    thresholds = "The cut-offs to choose labels by.  [default: the run's, or .5]"
    kind = click.Path(path_type=Path)
    return cast(Command, click.option("--thresholds", type=kind, help=thresholds)(decorated))


# What says how an answer file is read where no run does, and what its help says.
_ANSWERS = {
    "--negative": "Of answer files: the label left out of micro-F1, '' for none.  [default: "
    "the task's]",
    "--probs-order": "Of answer files: the order of probs where it is not that of the labels: "
    "klue, klue-relation-list, alphabetical, negative-first, as-in-gold, or a label file.",
    "--labels": "Of answer files: klue, klue-relation-list, from-train, or a file.  [default: "
    "the task's]",
    "--recipe": "Of answer files: a recipe that says how rows are read.",
    "--task": "Of answer files: the task that they answer.  [default: relation]",
}


def scored_rows(
    gold: Path | None, *, labels_alone: bool = False, **given: Unpack[Predicted]
) -> ScoredRows:
    """Reads the submission that the options name, or predicts with the run.

    Args:
        gold: The labelled rows; None for those that the run chose its epoch by.
        labels_alone: Whether ids and labels are all that a submission needs of them.
        **given: What `predicted_options` gave the command.

    Returns:
        The rows and what was predicted for them; with both a run and a submission those of the
        submission, and the run's folder.

    Raises:
        UsageError: The options do not go together.
        InputError: A file or the run cannot be used.
    """
    _require_fitting(gold, given)
    from relx.score import predicted_rows

    return predicted_rows(gold, labels_alone=labels_alone, **given)


def _require_fitting(gold: Path | None, given: Predicted) -> None:
    """Refuses options that would be without effect."""
    if given["pred"] is not None:
        if gold is None:
            raise click.UsageError("--pred needs --gold: the labels of the rows it predicts.")
        for option in ("backend", "engine"):
            if given[option] is not None:
                what = f"--{option} applies to a run; a submission holds its predictions already."
                raise click.UsageError(what)
    with_run, answers = given["pred"] is None or given["run_name"] is not None, given["answers"]
    if with_run and answers.says_how:
        what = "--task, --recipe, --labels and --negative go with --pred; a run has its own."
        raise click.UsageError(what)
    if given["pred"] is None and answers.percent:
        raise click.UsageError("--percent goes with --pred; a run's probabilities are none.")
    if given["pred"] is None and answers.order is not None:
        raise click.UsageError("--probs-order goes with --pred; a run knows its own.")
