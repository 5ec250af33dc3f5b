import pytest

from relx.data.number_lists import read_numbers, remedy

READ = {
    "JSON": "[0.5, 0.25, 0.25]",
    "numpy without commas": "[0.5  0.25 0.25]",
    "numpy over two lines": "[0.5\n 0.25 0.25]",
    "numpy's points": "[.5, 0.25, 25.e-2]",
    "a tuple": "(0.5, 0.25, 0.25)",
    "a tuple that ends in a comma": "(0.5, 0.25, 0.25,)",
    "tensor": "tensor([0.5000, 0.2500, 0.2500])",
    "tensor of a device": "tensor([0.5, 0.25, 0.25], device='cuda:0', dtype=torch.float64)",
    "tensor with a gradient": "tensor([0.5, 0.25, 0.25], grad_fn=<SoftmaxBackward0>)",
    "array": "array([0.5, 0.25, 0.25], dtype=float32)",
    "np.array": "np.array([0.5, 0.25, 0.25])",
    "scalars of numpy": "[np.float64(0.5), np.float32(0.25), numpy.float16(0.25)]",
    "scalars of torch": "[tensor(0.5), tensor(0.25), tensor(0.25)]",
    "blanks around": "  [0.5, 0.25, 0.25] ",
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_what_people_print_is_read(text):
    assert read_numbers(text) == [0.5, 0.25, 0.25]


def test_whole_floats_of_numpy_are_read():
    assert read_numbers("[1., 0.]") == [1, 0]
    assert read_numbers("[1. 0. 0.]") == [1, 0, 0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]x",
        "[0.5; 0.5]",
        "[0.5, 0.3 0.2]",
        "['0.5', '0.5']",
        "[0.5, 0.5)",
        "[0,5, ]",
        "[__import__('os')]",
        "tensor([0.5, 0.5], open('x'))",
        "[(0.5), (0.5)]",
        "[１, ０]",
        "[1" + "0" * 400 + "]",
        "[" * 100_000,
    ],
)
def test_what_is_no_list_of_numbers_is_said(text):
    if text == "[0,5, ]":  # a decimal comma is two numbers, and the count tells
        assert read_numbers(text) == [0, 5]
    else:
        assert isinstance(read_numbers(text), str)
        assert remedy(text)


@pytest.mark.parametrize("text", ["[0.1 0.2 ... 0.7]", "[0.1, …, 0.7]", "tensor([0.1, ..., 0.7])"])
def test_numbers_that_were_left_out_are_lost(text):
    assert "lost" in read_numbers(text) and "tolist" in remedy(text)
