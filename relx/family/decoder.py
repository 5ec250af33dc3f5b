"""Decoders: a prompt, the state of its last token, and the labels' words."""

from __future__ import annotations

import functools
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relx.data.batches import ReadingRows
from relx.data.labels import LabelList
from relx.data.prompts.prompt import Prompt
from relx.data.prompts.prompt_rows import PromptRows, common_prefix, prompt_rows
from relx.data.tokenizing.coverage import require_covered
from relx.dataset import Dataset, Judge, prompt_rows_of
from relx.family.family import Origin
from relx.family.prompting import (
    checked_label_tokens,
    find_base,
    label_texts,
    prompter_of,
    read_decoder_tokenizer,
    recipe_tokenizer,
    section_of,
)
from relx.family.sizes import require_positions
from relx.faults import Fault, InputError
from relx.files import digest
from relx.model_sections import FreshDecoder
from relx.models.decoder.arrays import PromptArrays
from relx.models.decoder.files.kept import decoder_folder
from relx.models.decoder.files.saved import (
    BASE_FILE,
    BASE_FOLDER,
    HEAD_FILE,
    Base,
    fingerprint,
    read_base,
    require_same_base,
)
from relx.models.saved import LABELS_FILE, write_labels
from relx.recipe import Recipe
from relx.tasks.task import Task
from relx.tensors import read_tensors

if TYPE_CHECKING:  # importing Keras takes seconds
    import keras
    from transformers import PreTrainedTokenizerFast

    from relx.models.decoder.files.load import LoadedDecoder
    from relx.models.decoder.heads import Head

_MOST_EXPORTED = 1_000_000_000  # weights; 4 GB of float32, and as much again on the way
_PROBES = ("가", '"A', "1")  # sentences that begin in different ways


class DecoderFamily:
    """The family of decoders; see `relx.family.family.Family`."""

    def inputs(self, dataset: Dataset[Any], origin: Origin) -> dict[str, Any]:
        """Returns the decoder, its prompt and words, and for a fresh one the sentences."""
        recipe = dataset.recipe
        inputs: dict[str, Any] = {"decoder": section_of(recipe).inputs()}
        if not isinstance(recipe.source, str):
            inputs["sentences"] = digest(dataset.sentences)
        return inputs

    def open(
        self, dataset: Dataset[Any], origin: Origin, revision: str | None, cache: Path | None
    ) -> OpenedDecoder:
        """Checks the label words, loads the decoder, and puts the head on it."""
        return OpenedDecoder(dataset, origin, revision, cache)

    def trained(self, folder: Path, recipe: Recipe, task: Task[Any], labels: LabelList) -> Any:
        """Opens trained adapters."""
        return TrainedDecoder(folder, recipe, task, labels)

    def card(self, name: str, task: str) -> tuple[str, str]:
        """Returns the title and what is said of the files."""
        files = (
            "These are PEFT's files: `PeftModel.from_pretrained(base, folder)` reads them. What "
            f"else trained is in `{HEAD_FILE}`, the labels in `{LABELS_FILE}`, the base and the "
            f"labels' tokens in `{BASE_FILE}`."
        )
        return f"{name}: adapters of a decoder for a {task} model", files


class OpenedDecoder:
    """A decoder with a head; see `relx.family.family.Opened`.

    Args:
        dataset: The recipe and its rows.
        origin: What to load.
        revision: The commit to load, where a run has begun with one.
        cache: Where tokens are kept; None keeps none.
    """

    def __init__(
        self, dataset: Dataset[Any], origin: Origin, revision: str | None, cache: Path | None
    ) -> None:
        self.dataset, self.section = dataset, section_of(dataset.recipe)
        self.cache = cache
        self.prompter = prompter_of(dataset.recipe, dataset.task, dataset.labels)
        self._keep: tempfile.TemporaryDirectory[str] | None = None
        self.folder, self.revision = self._found(origin, revision)
        self.source = origin.source if isinstance(origin.source, str) else "fresh"
        self.tokenizer = read_decoder_tokenizer(self.folder)
        prompts = map(self.prompter, dataset.train)
        self.tokens = checked_label_tokens(dataset.recipe, dataset.labels, prompts, self.tokenizer)
        self.prefix = self._prefix()
        kept = decoder_folder(cache.parent) if cache is not None and self._keep is None else None
        self.loaded, self.head = _loaded(dataset.recipe, self.folder, len(dataset.labels), kept)
        self._fill_head()
        self.notes = self.loaded.notes

    @functools.cached_property
    def model(self) -> keras.Model:
        """The classifier."""
        from relx.models.decoder.classifier import prompt_classifier
        from relx.models.decoder.others import OtherWords

        others = None
        if self.section.softmax == "vocabulary":
            cap = self.loaded.decoder.configuration.logit_cap
            others = OtherWords(self.loaded.output_table(), self.tokens, cap, name="other_words")
        return prompt_classifier(self.loaded.decoder, self.head, self.prefix, others)

    def depths(self, model: keras.Model) -> None:
        """Returns nothing: adapters have one rate."""
        return

    def arrays(self, rows: list[Any], file: str) -> PromptArrays:
        """Writes the prompts of labelled rows, and tokenises them."""
        targets = self.dataset.task.decision.targets(rows, self.dataset.labels)
        found = self._tokenized(rows, file)
        if _shared(self.prefix, found) < len(self.prefix):
            raise ValueError(
                "rows that do not begin as the dataset's: they cannot share a beginning"
            )
        return PromptArrays(found, len(self.prefix), pad_id(self.tokenizer), targets)

    def write(self, folder: Path, card: str) -> None:
        """Writes PEFT's adapter files, with the head, the labels and the base's name beside."""
        from safetensors.numpy import save_file

        from relx.models.decoder.files.adapters import write_adapters
        from relx.models.decoder.heads import head_weights
        from relx.models.stored.tokenizers.tokenizer import write_tokenizer

        fresh = self._keep is not None
        if fresh:
            shutil.copytree(self.folder, folder / BASE_FOLDER)
        source = "" if fresh else self.source
        write_adapters(self.loaded.decoder, folder, BASE_FOLDER if fresh else source)
        print_of_base = fingerprint(self.folder)
        tokens, prefix = tuple(self.tokens), tuple(self.prefix)
        Base(source, self.revision, print_of_base, tokens, prefix).write(folder)
        save_file(head_weights(self.head), folder / HEAD_FILE)
        longest = self.loaded.decoder.configuration.max_positions
        write_tokenizer(self.tokenizer, folder, longest, 1)
        write_labels(folder, self.dataset.labels)
        (folder / "README.md").write_text(card, encoding="utf-8")

    def _found(self, origin: Origin, revision: str | None) -> tuple[Path, str | None]:
        """Finds the base's folder, or makes a fresh one: (folder, commit)."""
        if not isinstance(origin.source, FreshDecoder):
            found = find_base(self.section, revision)
            return found.folder, found.revision
        from relx.models.decoder.files.fresh import write_fresh_decoder

        self._keep = tempfile.TemporaryDirectory(prefix="relx-base-")
        folder, dataset = Path(self._keep.name) / BASE_FOLDER, self.dataset
        folder.mkdir()
        recipe, prompts = dataset.recipe, [self.prompter(row) for row in dataset.train]
        tokenizer = recipe_tokenizer(recipe, dataset.labels, lambda: prompts)
        write_fresh_decoder(folder, origin.source.fresh, tokenizer, recipe.seed)
        return folder, None

    def _tokenized(self, rows: list[Any], file: str) -> PromptRows:
        window, chat = self.dataset.recipe.tokens.max_length, self.section.chat
        return prompt_rows_of(rows, self.prompter, self.tokenizer, window, file, self.cache, chat)

    def _prefix(self) -> list[int]:
        """Finds what all prompts begin with, as far as it is not of their sentences."""
        dataset = self.dataset
        first = self.prompter(dataset.train[0])
        probes = [Prompt(first.before, text, first.after) for text in _PROBES]
        window, chat = dataset.recipe.tokens.max_length, self.section.chat
        others = prompt_rows(probes, self.tokenizer, window, _PROBES, chat)
        train = self._tokenized(dataset.train, dataset.recipe.data.train)
        dev = self._tokenized(dataset.dev, dataset.dev_file)  # both are kept in the cache
        return shared_beginning([train, dev, others])

    def _fill_head(self) -> None:
        """Starts the head: rows of the words' tokens, of their pieces' mean, or at random."""
        from relx.models.decoder.heads import ClassHead

        if isinstance(self.head, ClassHead):
            self.head.draw(self.dataset.recipe.seed)
        elif self.tokens:
            self.head.rows.assign(self.loaded.output_rows(self.tokens))
        else:
            words = label_texts(self.section, self.dataset.labels)
            texts = [f" {word.strip()}" for word in words]
            pieces = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
            rows = [self.loaded.output_rows(list(ids)).mean(axis=0) for ids in pieces]
            self.head.rows.assign(np.stack(rows))


class TrainedDecoder:
    """Trained adapters; see `relx.family.family.Trained`.

    Args:
        folder: Their folder.
        recipe: The run's recipe.
        task: The run's task.
        labels: The run's labels.
    """

    def __init__(self, folder: Path, recipe: Recipe, task: Task[Any], labels: LabelList) -> None:
        self.folder, self.recipe, self.task, self.labels = folder, recipe, task, labels
        self.base = read_base(folder)
        self.prefix = list(self.base.prefix)

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """The tokenizer."""
        return read_decoder_tokenizer(self.folder)

    def rows(
        self, rows: Sequence[Any], judge: Judge = require_covered, cache: Path | None = None
    ) -> Callable[[bool], ReadingRows]:
        """Writes the prompts of rows to predict, and tokenises them."""
        chat = section_of(self.recipe).chat
        prompter = prompter_of(self.recipe, self.task, self.labels)
        tokenizer, window = self.tokenizer, self.recipe.tokens.max_length
        found = prompt_rows_of(rows, prompter, tokenizer, window, "", cache, chat, judge)
        # Whatever the rows are, the common beginning is theirs too.
        self.prefix = self.prefix[: _shared(self.prefix, found)]
        pad, prefix = pad_id(tokenizer), len(self.prefix)
        return lambda segments: PromptArrays(found, prefix, pad)

    def files(self) -> list[Path]:
        """Lists the adapters' files, the head's, the labels' and the base's note."""
        names = ("adapter_config.json", "adapter_model.safetensors", HEAD_FILE, LABELS_FILE)
        files = [self.folder / name for name in (*names, BASE_FILE)]
        if gone := next((file for file in files if not file.is_file()), None):
            raise InputError(Fault("a part of this run's model is gone", str(gone)))
        return files

    def choices(self) -> list[str]:
        """Returns the length of the common beginning, which the model computes once."""
        return [f"prefix {len(self.prefix)}"]

    def build(self) -> keras.Model:
        """Loads the base, and puts the adapters and the head on it."""
        return self._built(floats=False)

    def merge(self, folder: Path) -> None:
        """Writes the base with the adapters in it; see `merge_adapters`."""
        from relx.models.decoder.files.merge import merge_adapters

        merge_adapters(self._loaded()[0], folder)

    def _loaded(self) -> tuple[LoadedDecoder, Head]:
        """Loads the base and its adapters, and a head that has not learnt."""
        from relx.models.decoder.files.adapters import read_adapters

        self.files()
        # The model's folder is RUNS/NAME/train/fold-K/model.
        kept = decoder_folder(self.folder.absolute().parents[3]) if self.base.source else None
        loaded, head = _loaded(self.recipe, self._base_folder(), len(self.labels), kept)
        read_adapters(loaded.decoder, self.folder)
        return loaded, head

    def _built(self, *, floats: bool) -> keras.Model:
        from relx.models.decoder.classifier import prompt_classifier
        from relx.models.decoder.heads import WordHead, assign_head

        loaded, head = self._loaded()
        if floats:
            loaded.decoder.turn_to_floats()
        if isinstance(head, WordHead) and self.base.tokens:
            head.rows.assign(loaded.output_rows(list(self.base.tokens)))
        try:
            assign_head(head, read_tensors(self.folder / HEAD_FILE))
        except (KeyError, ValueError) as error:
            what = "the head is not that of this run's labels and base"
            raise InputError(Fault(what, str(self.folder / HEAD_FILE), str(error))) from error
        return prompt_classifier(loaded.decoder, head, self.prefix)

    def build_for_export(self) -> keras.Model:
        """Builds the same with the kernels' values as float32.

        OpenVINO's own few-bit products are not these, and were seen to differ from run to run.

        Raises:
            InputError: They would take more memory than a CPU's user can be asked for.
        """
        from relx.models.decoder.configurations.families import read_configuration
        from relx.models.decoder.files.weights import expected_shapes

        shapes = expected_shapes(read_configuration(self._base_folder()))
        weights = sum(math.prod(shape) for shape in shapes.values())
        if weights > _MOST_EXPORTED:
            what = f"a decoder of {weights:,} weights is too large to be converted for OpenVINO"
            allowed = f"{_MOST_EXPORTED:,} weights, which it takes as float32"
            fault = Fault(
                what, "predict.engine", "openvino", allowed, "--engine keras", "no engine"
            )
            raise InputError(fault)
        return self._built(floats=True)

    def _base_folder(self) -> Path:
        folder = self.folder / BASE_FOLDER
        if self.base.source:
            folder = find_base(section_of(self.recipe), self.base.revision).folder
        require_same_base(self.base, folder)
        return folder


def _loaded(
    recipe: Recipe, folder: Path, labels: int, kept: Path | None
) -> tuple[LoadedDecoder, Head]:
    """Loads a recipe's decoder from a folder, with adapters and a head that have not learnt."""
    from relx.models.decoder.configurations.families import read_configuration
    from relx.models.decoder.files.adapter_config import adapters_for
    from relx.models.decoder.files.load import load_decoder
    from relx.models.decoder.heads import ClassHead, WordHead
    from relx.models.decoder.layers.linear import Lora

    section, configuration = section_of(recipe), read_configuration(folder)
    require_positions(configuration.max_positions, recipe)
    own = section.lora
    lora = Lora(own.rank, own.alpha, own.dropout, own.rank_stabilized)
    loaded = load_decoder(
        folder,
        section.format,
        adapters_for(configuration, own.targets, lora),
        remat=recipe.train.remat,
        allow_pickle=section.allow_pickle,
        seed=recipe.seed,
        kept=kept,
    )
    width = configuration.hidden_size
    if section.head == "classes":
        return loaded, ClassHead(labels, width, name="class_head")
    biases = recipe.decide.labels == "many" and recipe.decide.loss != "soft_cross_entropy"
    head = WordHead(
        labels,
        width,
        trained=section.head == "new",
        biases=biases,
        cap=configuration.logit_cap,
        name="word_head",
    )
    return loaded, head


def pad_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """Returns what rows are padded with: any token, for nothing looks at it."""
    return int(tokenizer.pad_token_id or tokenizer.eos_token_id or 0)


def shared_beginning(parts: Sequence[PromptRows]) -> list[int]:
    """Returns the tokens that all rows begin with, and that leave each of them one more.

    Args:
        parts: The rows.
    """
    lengths = [common_prefix(rows) for rows in parts if len(rows)]
    first = next(rows for rows in parts if len(rows))
    prefix = [int(token) for token in first.token_ids[: min(lengths)]]
    for rows in parts:
        prefix = prefix[: _shared(prefix, rows)]
    return prefix


def _shared(prefix: Sequence[int], rows: PromptRows) -> int:
    """Returns how much of a beginning all rows have, and are longer than."""
    if not len(rows):
        return len(prefix)
    length = min(len(prefix), int(rows.lengths.min()) - 1)
    places = rows.offsets[:-1, None] + np.arange(length)
    same = (rows.token_ids[places] == np.array(prefix[:length], np.int64)).all(axis=0)
    return int(np.argmin(same)) if not same.all() else length
