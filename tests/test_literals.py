import pytest

from relx.data.literals import read_literal


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'word': 'a', 'start_idx': np.int64(4)}", {"word": "a", "start_idx": 4}),
        ("{'start_idx': numpy.int32(-4), 'x': np.float64(0.5)}", {"start_idx": -4, "x": 0.5}),
        ("{np.str_('type'): np.str_(\"PER\")}", {"type": "PER"}),
        ("[np.uint8(1), np.bool_(True), np.float32(1e-05)]", [1, True, 1e-05]),
        ("{'word': 'np.int64(4)'}", {"word": "np.int64(4)"}),
        ("{'a': np.int64(open('x'))}", None),
        ("{'a': np.load('x')}", None),
        ("np.int64(", None),
    ],
)
def test_numbers_of_numpy_are_read_and_nothing_is_called(text, value):
    assert read_literal(text) == value
