"""The losses, from logits, in float32, each summed over weights that sum to one.

The weights of a batch sum to 1 over all replicas, so that the sum is the mean over the rows or
masked positions that count, however many there are and wherever they are computed. The loss of a
row with many labels is the mean of theirs: it is of the size of a cross-entropy however many labels
there are, so that a learning rate and a clipped gradient norm mean what they mean for one label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

LEAST = 1e-12  # below every difference of float32 probabilities that is not 0


@keras.saving.register_keras_serializable("relx")
class CrossEntropy(keras.losses.Loss):
    """Cross-entropy of class indices, with label smoothing: exactly one class is true.

    Args:
        label_smoothing: The probability that is spread evenly over all classes (Szegedy et al.
            2016, https://arxiv.org/abs/1512.00567).
        name: The name of the loss.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "cross_entropy") -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.label_smoothing = label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row or position.

        Args:
            y_true: Class indices (batch, …) int32.
            y_pred: Logits (batch, …, classes).

        Returns:
            (batch, …) float32.
        """
        logits = ops.cast(y_pred, "float32")  # (batch, …, classes)
        # (batch, …)
        loss = ops.sparse_categorical_crossentropy(y_true, logits, from_logits=True)
        if self.label_smoothing == 0:
            return loss
        spread = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * spread

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"label_smoothing": self.label_smoothing, "name": self.name}


@keras.saving.register_keras_serializable("relx")
class FocalLoss(keras.losses.Loss):
    """The focal loss of class indices: exactly one class is true, and easy rows count for little.

    Lin et al. 2017, https://arxiv.org/abs/1708.02002, section 3: a row whose true class has the
    probability p costs (1 - p)^gamma · -log p. The factor is each row's own, of its own p: one made
    of a batch's mean cross-entropy would weigh all its rows alike. With label smoothing the shares
    of the smoothed truth weigh the same cost of every class, with that class's own p. With gamma 0
    it is cross-entropy.

    Args:
        label_smoothing: As in `CrossEntropy`.
        gamma: How little easy rows count.
        name: The name of the loss.
    """

    def __init__(
        self, label_smoothing: float = 0.0, gamma: float = 2.0, name: str = "focal"
    ) -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.label_smoothing, self.gamma = label_smoothing, gamma

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row.

        Args:
            y_true: Class indices (batch,) int32.
            y_pred: Logits (batch, classes).

        Returns:
            (batch,) float32.
        """
        logs = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        # The gradient of a power of 0 may be infinite; 1 - p would round small distances to 0.
        costs = -ops.power(ops.maximum(-ops.expm1(logs), LEAST), self.gamma) * logs
        places = ops.cast(ops.expand_dims(y_true, -1), "int32")
        loss = ops.squeeze(ops.take_along_axis(costs, places, axis=-1), axis=-1)
        if self.label_smoothing == 0:
            return loss
        spread = ops.mean(costs, axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * spread

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"label_smoothing": self.label_smoothing, "gamma": self.gamma, "name": self.name}


@keras.saving.register_keras_serializable("relx")
class BinaryCrossEntropy(keras.losses.Loss):
    """Binary cross-entropy of each label, with label smoothing: any number of them is true.

    Args:
        label_smoothing: The probability that is spread evenly over true and false (Szegedy et al.
            2016): a label that is there counts as true by 1 - s/2, one that is not by s/2.
        positive_weights: What being true weighs beside being false, `(labels,)`; None for 1.
        name: The name of the loss.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        positive_weights: Sequence[float] | None = None,
        name: str = "binary_cross_entropy",
    ) -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.label_smoothing = label_smoothing
        self.positive_weights = None if positive_weights is None else list(positive_weights)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row, the mean of its labels.

        Args:
            y_true: 1 where the label is true, else 0, (batch, labels).
            y_pred: Logits (batch, labels).

        Returns:
            (batch,) float32.
        """
        logits = ops.cast(y_pred, "float32")
        true = _smoothed(y_true, self.label_smoothing)
        if_true, if_false = ops.softplus(-logits), ops.softplus(logits)  # -log p, -log(1 - p)
        if self.positive_weights is not None:
            if_true = if_true * ops.convert_to_tensor(self.positive_weights, "float32")
        return ops.mean(true * if_true + (1 - true) * if_false, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        smoothing, weights = self.label_smoothing, self.positive_weights
        return {"label_smoothing": smoothing, "positive_weights": weights, "name": self.name}


@keras.saving.register_keras_serializable("relx")
class AsymmetricLoss(keras.losses.Loss):
    """The asymmetric loss, for labels that are rarely true: any number of them is true.

    Ben-Baruch et al. 2020, https://arxiv.org/abs/2009.14119, section 2. A label of probability p
    costs (1 - p)^positive · -log p where it is true, and q^negative · -log(1 - q) where it is
    false, with q = max(p - margin, 0). With all three settings 0 it is binary cross-entropy. The
    gradient is the whole one, as the paper analyses it, through the factors that focus too; the
    authors' code can leave these out. Their sum over labels is a mean here.

    Args:
        label_smoothing: As in `BinaryCrossEntropy`.
        positive: The focus of true labels: how little easy ones count.
        negative: The focus of false labels.
        margin: The probability up to which a false label costs nothing.
        name: The name of the loss.
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        positive: float = 1.0,
        negative: float = 4.0,
        margin: float = 0.05,
        name: str = "asymmetric",
    ) -> None:
        super().__init__(name=name, reduction="sum", dtype="float32")
        self.label_smoothing = label_smoothing
        self.positive, self.negative, self.margin = positive, negative, margin

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row, the mean of its labels.

        Args:
            y_true: 1 where the label is true, else 0, (batch, labels).
            y_pred: Logits (batch, labels).

        Returns:
            (batch,) float32.
        """
        logits = ops.cast(y_pred, "float32")
        true = _smoothed(y_true, self.label_smoothing)
        if_true = _focused(-logits, self.positive)
        if_false = self._shifted(logits) if self.margin else _focused(logits, self.negative)
        return ops.mean(true * if_true + (1 - true) * if_false, axis=-1)

    def _shifted(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        """Computes what false labels cost beyond the margin, (batch, labels)."""
        shifted = ops.sigmoid(logits) - self.margin
        cost = -ops.log1p(-ops.maximum(shifted, 0.0))  # at most -log(margin)
        # The gradient of a power of 0 is infinite or not a number; that of the product is 0.
        return ops.power(ops.maximum(shifted, LEAST), self.negative) * cost

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        names = ("label_smoothing", "positive", "negative", "margin", "name")
        return {name: getattr(self, name) for name in names}


def _focused(logits: keras.KerasTensor, focus: float) -> keras.KerasTensor:
    """Computes p^focus · -log(1 - p) of the probabilities p of logits, (batch, labels)."""
    return ops.exp(-focus * ops.softplus(-logits)) * ops.softplus(logits)


def _smoothed(true: keras.KerasTensor, smoothing: float) -> keras.KerasTensor:
    """Returns how far each label counts as true, (batch, labels) float32."""
    true = ops.cast(true, "float32")
    return true * (1 - smoothing) + smoothing / 2 if smoothing else true


@keras.saving.register_keras_serializable("relx")
class SoftCrossEntropy(CrossEntropy):
    """Cross-entropy over the labels, each of a row's n true ones counting as a row of its own.

    A row with n true labels costs n times the cross-entropy with shares of 1/n: what n copies of
    the row sum up to, each with one of its labels, computed once. A row without a label costs
    nothing, as it has no copy.

    Args:
        label_smoothing: The probability that is spread evenly over all labels (Szegedy et al.
            2016, https://arxiv.org/abs/1512.00567).
        name: The name of the loss.
    """

    def __init__(self, label_smoothing: float = 0.0, name: str = "soft_cross_entropy") -> None:
        super().__init__(label_smoothing, name)

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the loss of each row.

        Args:
            y_true: 1 where the label is true, else 0, (batch, labels).
            y_pred: Logits (batch, labels); or of more classes, which are true of no row.

        Returns:
            (batch,) float32.
        """
        true = ops.cast(y_true, "float32")
        surprise = -ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        surprise = surprise[:, : y_true.shape[-1]]  # (batch, labels)
        loss = ops.sum(true * surprise, axis=-1)
        if self.label_smoothing == 0:
            return loss
        spread = ops.sum(true, axis=-1) * ops.mean(surprise, axis=-1)
        return (1 - self.label_smoothing) * loss + self.label_smoothing * spread


# By the name that a decision gives, or a recipe's options of stage 2.
LOSSES: dict[str, type[keras.losses.Loss]] = {
    "cross_entropy": CrossEntropy,
    "focal": FocalLoss,
    "binary_cross_entropy": BinaryCrossEntropy,
    "asymmetric": AsymmetricLoss,
    "soft_cross_entropy": SoftCrossEntropy,
}
