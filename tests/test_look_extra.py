import pytest

from relx.faults import InputError
from relx.look import extra
from relx_cli.main import run


def test_what_is_missing_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(extra, "LIBRARIES", {"json": "json", "no_such_module": "No-Such"})
    with pytest.raises(InputError) as caught:
        extra.require_look("relx eda")
    message = str(caught.value)
    assert "relx eda" in message
    assert "missing: No-Such" in message
    assert "pip install 'relx[look]'" in message


def test_nothing_is_said_where_all_is_there():
    extra.require_look("relx eda")


@pytest.mark.parametrize(
    "words",
    [
        ["eda", "--recipe", "demo"],
        ["report"],
        ["compare", "a", "b"],
        ["attention", "--id", "1"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_that_draws_says_so_before_it_works(words, monkeypatch, capsys):
    monkeypatch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
    assert run(words) == 2
    said = capsys.readouterr().err
    assert f"relx {words[0]} draws" in said and "pip install 'relx[look]'" in said


def test_numbers_need_nothing_that_draws(monkeypatch, capsys):
    """`relx compare --json` without a page gets as far as looking for the runs."""
    monkeypatch.setattr(extra, "LIBRARIES", {"no_such_module": "No-Such"})
    assert run(["compare", "a", "b", "--json", "--runs-dir", "no-such-folder"]) == 2
    assert "relx[look]" not in capsys.readouterr().err
