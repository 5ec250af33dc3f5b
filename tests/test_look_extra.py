import pytest

from relx.faults import InputError
from relx.look import extra


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
