"""The stage: from the sentences of the data files to an encoder that has read them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx import progress
from relx.data.rows.row import types_of
from relx.data.tokenizing.coverage import require_covered
from relx.data.tokenizing.token_cache import token_folder
from relx.dataset import Dataset, read_unlabelled
from relx.devices.device import open_device
from relx.devices.processes import is_chief
from relx.family.family import Origin
from relx.family.sizes import require_positions
from relx.faults import Fault, InputError
from relx.files import facts_digest, file_digest
from relx.model_sections import EncoderSection
from relx.recipe import Recipe
from relx.recipe_file import recipe_yaml
from relx.runs.place import TAPT, StagePlace
from relx.runs.stage import Stage, compare_stage, open_stage
from relx.runs.verified import require_own_parts
from relx.tasks.task import task_of
from tapt.corpus import (
    CorpusRows,
    CorpusText,
    corpus_coverage,
    corpus_digest,
    corpus_of,
    tokenize_corpus,
)
from tapt.texts import read_texts

if TYPE_CHECKING:
    from relx.devices.device import Device
    from relx.models.encoder.load import LoadedEncoder
    from relx.training.fit import FitState
    from relx.training.log import RunLog
    from tapt.arrays import CorpusArrays

ENCODER_FOLDER = "encoder"

Rows = Mapping[str, Sequence[Any]]  # by role: train, test, dev


@dataclass(frozen=True)
class Corpus:
    """The texts of stage 1.

    Args:
        texts: Every text once.
        digest: Their SHA-256.
        sentences: The same without markers, for a fresh vocabulary.
        marker_tokens: The markers that must be tokens of their own; none without `tapt.markers`.
        more: The texts of `tapt.texts` among them.
    """

    texts: list[CorpusText]
    digest: str
    sentences: list[str]
    marker_tokens: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


def stage_corpus(recipe: Recipe, rows: Rows) -> Corpus:
    """Makes the corpus of a recipe.

    Args:
        recipe: The recipe.
        rows: The rows of its files by role, whose labels are not looked at; those of the dev file
            are needed with `tapt.markers` alone, for their types.

    Returns:
        The corpus.
    """
    marked = recipe.tapt.markers
    more = read_texts(recipe)
    texts = plain = corpus_of(rows, recipe, markers=False, more=more)
    tokens: tuple[str, ...] = ()
    if marked:
        texts = corpus_of(rows, recipe, markers=True, more=more)
        every = itertools.chain.from_iterable(rows.values())
        tokens = task_of(recipe).marker_tokens(types_of(every))
    sentences = [text.text for text in plain]
    return Corpus(texts, corpus_digest(texts), sentences, tokens, tuple(more))


def stage_inputs(recipe: Recipe, corpus: Corpus) -> dict[str, Any]:
    """Returns what decides the result of stage 1: a run of other inputs is another run."""
    tree = recipe.tree()
    names = ["seed", "tokens", "tapt", *(["markers"] if recipe.tapt.markers else [])]
    inputs: dict[str, Any] = {name: tree[name] for name in names}
    del inputs["tapt"]["accumulate"]  # what does not fit may be computed in more parts
    del inputs["tapt"]["texts"], inputs["tapt"]["own_sentences"]  # the corpus is what they name
    inputs |= {"encoder": encoder_of(recipe).inputs(), "corpus": corpus.digest}
    if recipe.tapt.markers:
        inputs["marker_tokens"] = list(corpus.marker_tokens)
    return inputs


def adapted_origin(dataset: Dataset[Any], runs_dir: Path) -> Origin:
    """Chooses the encoder that stage 2 starts from: stage 1's where it belongs to this recipe.

    Args:
        dataset: The recipe, of which `train.start_from` decides, and its rows.
        runs_dir: The folder of all runs.

    Returns:
        The origin.

    Raises:
        InputError: `train.start_from` is tapt and there is none of this recipe and data.
    """
    recipe = dataset.recipe
    section = recipe.started_from
    plain = Origin(
        section.source,
        f"starting from {_words(recipe)}",
        revision=section.revision,
        allow_pickle=section.allow_pickle,
    )
    if recipe.decoder is not None or recipe.train.start_from == "encoder":
        return plain
    folder = StagePlace(runs_dir, recipe.name, TAPT).folder

    def inputs() -> dict[str, Any]:
        return stage_inputs(recipe, stage_corpus(recipe, dataset.unlabelled))

    manifest, reasons = compare_stage(folder, inputs, ENCODER_FOLDER)
    if manifest is not None and not reasons:
        require_own_parts(folder, manifest, ENCODER_FOLDER)
        encoder = folder / ENCODER_FOLDER
        words = f"starting from the encoder that TAPT adapted, {encoder}"
        return Origin(str(encoder), words, manifest.results["encoder_digest"])
    if recipe.train.start_from == "tapt":
        step = f"relx tapt --recipe … makes it; train.start_from=encoder starts from {plain.source}"
        what = "there is no TAPT result of this recipe and these data"
        raise InputError(Fault(what, str(folder), "; ".join(reasons), next_step=step))
    if manifest is not None:
        progress.warn(f"{folder} is not used: {'; '.join(reasons)}")
    return plain


def _words(recipe: Recipe) -> str:
    source, revision = recipe.source, recipe.started_from.revision
    without = ", without TAPT" if recipe.decoder is None else ""
    if not isinstance(source, str):
        return f"random weights{without}"
    return f"{source}{f' at revision {revision}' if revision else ''}{without}"


def encoder_of(recipe: Recipe) -> EncoderSection:
    """Returns what stage 1 adapts.

    Args:
        recipe: The recipe.

    Raises:
        InputError: It is about a decoder.
    """
    if recipe.encoder is None:
        what = (
            "TAPT is masked language modelling, which fills gaps from both sides: a decoder never "
            "looks ahead"
        )
        step = "relx train starts from decoder.from as it is; adapters learn from labelled rows"
        raise InputError(Fault(what, "decoder", next_step=step, kind="no TAPT"))
    return recipe.encoder


def pretrain(recipe: Recipe, runs_dir: Path, fresh: bool = False) -> dict[str, Any]:
    """Adapts a recipe's encoder to the task's sentences, or carries on where it was stopped.

    Method: task-adaptive pretraining (Gururangan et al. 2020, arXiv 2004.10964).

    Args:
        recipe: The recipe.
        runs_dir: The folder of all runs.
        fresh: Set an earlier result aside and start anew.

    Returns:
        The results: the pseudo-perplexity of the held-out sentences before and after.

    Raises:
        InputError: The data, the encoder or the run folder cannot be used.
    """
    encoder_of(recipe)
    own = recipe.tapt.own_sentences
    rows: Rows = read_unlabelled(recipe, dev=recipe.tapt.markers) if own else {}
    corpus, chief = stage_corpus(recipe, rows), is_chief(recipe.device)
    facts = _facts(recipe, rows, corpus) | {"sentences": len(corpus.texts), "digest": corpus.digest}
    place, inputs = StagePlace(runs_dir, recipe.name, TAPT), stage_inputs(recipe, corpus)
    with open_stage(
        place, recipe, inputs, facts, ENCODER_FOLDER, fresh=fresh, chief=chief
    ) as stage:
        if stage.is_finished:
            return stage.results
        device = open_device(recipe.device, recipe.seed)
        progress.say(f"{recipe.name}: {len(corpus.texts):,} sentences, computing on {device}")
        return _pretrain(recipe, corpus, stage, device)


def _facts(recipe: Recipe, rows: Rows, corpus: Corpus) -> dict[str, Any]:
    """Returns what the manifest says of the files that are read, without a label."""
    facts: dict[str, Any] = {}
    for role, file in (("train", recipe.data.train), ("test", recipe.data.test)):
        if role in rows:
            sentences = facts_digest("sentences", ([r.sentence, r.spans] for r in rows[role]))
            facts[role] = {"file": file, "rows": len(rows[role]), "digest": sentences}
    if corpus.more:
        files = ", ".join(recipe.tapt.texts or ())
        found = facts_digest("texts", corpus.more)
        facts["texts"] = {"file": files, "rows": len(corpus.more), "digest": found}
    return facts


def _pretrain(recipe: Recipe, corpus: Corpus, stage: Stage, device: Device) -> dict[str, Any]:
    """Builds the model, fits it, writes the encoder, and closes the manifest."""
    from relx.training.finite import require_finite_outputs
    from relx.training.fit import compile_for, fit
    from tapt.gaps import TAG, GapRow, fill_gaps, gaps_text
    from tapt.masked_lm import masked_lm_model, pseudo_perplexity

    section = recipe.tapt
    shown: list[GapRow] = []  # the last epoch's
    with device.scope():
        loaded = _load(recipe, corpus, stage)
        model = masked_lm_model(loaded)
    train, held_out = _arrays(recipe, corpus, loaded, stage)
    feeder = device.feeder(train, section.batch_size, recipe.seed, section.accumulate)
    compile_for(device, model, section, feeder.steps)

    def measure() -> dict[str, float]:
        figure = pseudo_perplexity(model, device, held_out, section.batch_size, recipe.seed)
        return {"pseudo_perplexity": figure}

    def after_epoch(state: FitState) -> dict[str, float]:
        figures = measure()
        perplexity = "the held-out sentences' pseudo-perplexity"
        require_finite_outputs(list(figures.values()), perplexity, state.epoch)
        progress.say(
            f"epoch {state.epoch + 1}: held-out pseudo-perplexity "
            f"{figures['pseudo_perplexity']:.2f} (before: {state.before['pseudo_perplexity']:.2f})"
        )
        shown[:] = fill_gaps(model, device, held_out, section.batch_size, recipe.seed)
        return figures

    def describe(log: RunLog, epoch: int) -> None:
        log.text(epoch, TAG, gaps_text(shown, loaded.tokenizer))

    state = fit(
        model,
        feeder,
        device,
        epochs=section.epochs,
        stage=stage,
        title="tapt",
        checkpoint=recipe.checkpoint,
        after_epoch=after_epoch,
        before_first=measure,
        describe=describe,
    )
    if stage.chief:
        _finish(recipe, corpus, stage, device, loaded, state, len(held_out.rows))
    device.barrier()
    return stage.results


def _finish(
    recipe: Recipe,
    corpus: Corpus,
    stage: Stage,
    device: Device,
    loaded: LoadedEncoder,
    state: FitState,
    held_out: int,
) -> None:
    """Writes the encoder, and closes the stage with the digest of it."""
    from relx.models.encoder.load import save_encoder
    from relx.training.fit import speed

    folder = stage.folder / ENCODER_FOLDER
    save_encoder(loaded, folder, _card(recipe, corpus))
    results = {
        "pseudo_perplexity_before": state.before["pseudo_perplexity"],
        "pseudo_perplexity": state.history[-1]["pseudo_perplexity"],
        "held_out_rows": held_out,
        "epochs": len(state.history),
        "encoder_digest": file_digest(folder / "model.safetensors"),
    }
    results |= speed(state.history)
    stage.finish(device.manifest(), results, state.history)
    progress.say(
        f"held-out pseudo-perplexity {results['pseudo_perplexity_before']:.2f} → "
        f"{results['pseudo_perplexity']:.2f}; {results['sentences_per_second']:.1f} sentences/s; "
        f"the encoder is in {folder}"
    )


def _load(recipe: Recipe, corpus: Corpus, stage: Stage) -> LoadedEncoder:
    """Loads the encoder with its masked-LM head, and records it in the manifest."""
    from relx.models.encoder.load import load_encoder
    from relx.models.stored.tokenizers.tokenizer import require_mask_token

    section = encoder_of(recipe)
    loaded = load_encoder(
        section.source,
        sentences=lambda: corpus.sentences,
        marker_tokens=corpus.marker_tokens,
        with_head=True,
        revision=stage.pinned_revision(section.revision),
        allow_pickle=section.allow_pickle,
        seed=recipe.seed,
    )
    stage.record_encoder(loaded.source, loaded.revision, loaded.notes)
    for note in loaded.notes:
        progress.say(f"encoder: {note}")
    require_positions(loaded.encoder.max_sequence_length, recipe)
    require_mask_token(loaded.tokenizer)
    return loaded


def _arrays(
    recipe: Recipe, corpus: Corpus, loaded: LoadedEncoder, stage: Stage
) -> tuple[CorpusArrays, CorpusArrays]:
    """Sets the held-out texts apart and tokenises both parts into `CorpusArrays`."""
    from tapt.arrays import CorpusArrays

    order = np.random.default_rng((recipe.seed, 3)).permutation(len(corpus.texts))
    if len(order) < 2:
        what = "one sentence is too few: some are held out to measure on"
        where = "data.train" if recipe.tapt.own_sentences else "tapt.texts"
        raise InputError(Fault(what, where, f"{len(order)} sentence", "two or more"))
    held = max(1, round(recipe.tapt.held_out * len(order)))
    tokenizer = loaded.tokenizer
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    random_ids = np.array([i for i in range(len(tokenizer)) if i not in special], np.int32)
    cache = token_folder(stage.place.runs_dir)

    def tokens(part: np.ndarray) -> CorpusRows:
        texts = [corpus.texts[i] for i in np.sort(part)]
        window, unit = recipe.tokens.max_length, recipe.tapt.mask_unit
        return tokenize_corpus(texts, tokenizer, window, unit, cache)

    def arrays(rows: CorpusRows) -> CorpusArrays:
        return CorpusArrays(
            rows,
            rate=recipe.tapt.mask_rate,
            pad_id=tokenizer.pad_token_id,
            mask_id=tokenizer.mask_token_id,
            random_ids=random_ids,
            segments="segment_ids" in loaded.encoder.input,
        )

    learnt, held_out = tokens(order[held:]), tokens(order[:held])
    coverage = corpus_coverage(learnt, tokenizer) + corpus_coverage(held_out, tokenizer)
    require_covered(coverage, lambda: corpus.sentences, tokenizer, "sentences")
    return arrays(learnt), arrays(held_out)


def _card(recipe: Recipe, corpus: Corpus) -> str:
    return (
        f"# {recipe.name}: an encoder adapted to a task's sentences\n\n"
        f"Masked-LM pretraining by relx on {len(corpus.texts):,} sentences, without labels.\n"
        f"SHA-256 of the sentences: `{corpus.digest}`\n\n```yaml\n{recipe_yaml(recipe)}```\n"
    )
