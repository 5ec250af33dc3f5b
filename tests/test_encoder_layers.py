"""The layers of encoders: values and gradients are what Keras derives, and dropout its rate."""

import keras
import numpy as np
import pytest
from keras import ops

from relx.models.encoder.architectures import attention
from relx.models.encoder.architectures.attention import dot_product_attention, gather_states
from relx.models.encoder.architectures.layers import Activation, Dropout, LayerNorm

tf = pytest.importorskip("tensorflow")


def drawn(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def value_and_gradients(function, *inputs):
    """The value, and the gradients of a sum in which every number has a weight of its own."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
        loss = tf.reduce_sum(value * drawn(*value.shape, seed=9))
    return [value, *tape.gradient(loss, inputs)]


def assert_alike(ours, theirs, tolerance=2e-6):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert np.abs(mine - other).max() < tolerance * max(1.0, np.abs(other).max())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["gelu", "gelu_new", "relu", "silu"])
def test_activations_are_keras_own_in_training_and_out_of_it(name, training):
    gelus = {"gelu": lambda x: ops.gelu(x, approximate=False), "gelu_new": ops.gelu}
    theirs = gelus[name] if name in gelus else keras.activations.get(name)
    layer, x = Activation(name), 4 * drawn(50, 7)
    ours = value_and_gradients(lambda x: layer(x, training=training), x)
    assert_alike(ours, value_and_gradients(theirs, x))


def test_gelu_is_finite_far_from_zero():
    x = tf.constant([[-1e4, -40.0, 0.0, 40.0, 1e4]])
    value, gradient = value_and_gradients(lambda x: Activation("gelu")(x, training=True), x)
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(value, [[0, 0, 0, 40, 1e4]], atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(6, 5), (2, 3, 5)])
def test_layer_norm_is_keras_own(shape, bias):
    ours = LayerNorm(epsilon=1e-3, center=bias)
    theirs = keras.layers.LayerNormalization(epsilon=1e-3, center=bias)
    for layer in (ours, theirs):
        layer.build((None, 5))
        layer.set_weights([np.random.default_rng(3).normal(size=5)] * (1 + bias))

    def with_weights(layer):
        values = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(layer(x)))
        return [*value_and_gradients(layer, x), *tape.gradient(loss, values)]

    x = 3 * drawn(*shape) + 2
    assert_alike(with_weights(ours), with_weights(theirs), 1e-5)


@pytest.mark.parametrize("rate", [0.1, 0.3, 1 / 256])
def test_dropout_drops_at_its_rate_and_scales_up_the_rest(rate):
    layer = Dropout(rate, seed=5)
    total, dropped = 0, 0
    for _ in range(10):
        kept = np.asarray(layer.draw_mask((4001, 501), "float32"))
        assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / (1 - rate))}
        total, dropped = total + kept.size, dropped + (kept == 0).sum()
    deviation = np.sqrt(rate * (1 - rate) / total)
    assert abs(dropped / total - rate) < 5 * deviation + 1e-4


def test_dropout_draws_anew_each_time_and_each_number_for_itself():
    layer = Dropout(0.5, seed=5)
    first, second = (np.asarray(layer.draw_mask((400, 300), "float32")) - 1 for _ in range(2))
    assert abs((first * second).mean()) < 0.02  # of independent draws: 0 give or take 0.003
    for axis in (0, 1):
        assert abs((first * np.roll(first, 1, axis)).mean()) < 0.02
    ones = drawn(30, 20) * 0 + 1
    value, gradient = value_and_gradients(lambda x: layer(x, training=True), ones)
    np.testing.assert_allclose(gradient, value * drawn(30, 20, seed=9), rtol=1e-6)
    np.testing.assert_array_equal(layer(ones, training=False), ones)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_attention_and_its_gradients_are_as_derived(rate):
    query, key, values = drawn(2, 3, 5, 4), drawn(2, 3, 6, 4, seed=1), drawn(2, 3, 6, 4, seed=2)
    mask = tf.constant([[1, 1, 1, 1, 1, 1], [1, 1, 0, 1, 0, 0]])[:, None, None, :]

    def derived(query, key, values):
        scores = tf.matmul(query, key, transpose_b=True) - 1e9 * (1 - tf.cast(mask, "float32"))
        weights = tf.nn.softmax(scores)
        kept = Dropout(rate, seed=7).draw_mask(weights.shape, "float32") if rate else 1.0
        return tf.transpose(tf.matmul(weights * kept, values), (0, 2, 1, 3))

    def ours(query, key, values):
        return dot_product_attention(query, key, values, mask, Dropout(rate, seed=7), True)

    tensors = (query, key, values)
    assert_alike(value_and_gradients(ours, *tensors), value_and_gradients(derived, *tensors), 1e-5)
    still = dot_product_attention(*tensors, mask, Dropout(rate), False)
    rows = (tf.transpose(x, (0, 2, 1, 3)) for x in tensors)
    fused = ops.dot_product_attention(*rows, mask=tf.cast(mask, "bool"), scale=1.0)
    assert_alike([still], [fused])


def test_states_are_gathered_exactly():
    hidden = drawn(2, 5, 3)
    positions = np.array([[4, 0, 4], [1, 2, 0]], "int32")
    expected = np.take_along_axis(hidden.numpy(), positions[..., None], axis=1)
    np.testing.assert_array_equal(gather_states(hidden, positions), expected)


@pytest.mark.parametrize("queries", [1, 6])
def test_the_fused_kernel_is_never_left_to_a_choice_that_fails(monkeypatch, queries):
    """Left to itself, Keras tries cuDNN on JAX, which refuses the padding mask with an error."""
    query, key, values = (
        drawn(2, 3, queries, 4),
        drawn(2, 3, 6, 4, seed=1),
        drawn(2, 3, 6, 4, seed=2),
    )
    mask = tf.constant([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])[:, None, None, :]
    dropout = Dropout(0.1)
    by_scores = dot_product_attention(query, key, values, mask, dropout, training=False)
    calls, fused = [], ops.dot_product_attention

    def watched(*arguments, **options):
        calls.append(options)
        return fused(*arguments, **options)

    monkeypatch.setattr(ops, "dot_product_attention", watched)
    monkeypatch.setattr(attention, "has_written_gradients", lambda: False)  # as on JAX, PyTorch
    computed = dot_product_attention(query, key, values, mask, dropout, training=False)
    assert [call["flash_attention"] for call in calls] == [False]
    assert_alike([computed], [by_scores])
