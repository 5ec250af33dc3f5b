import io

import pytest
from rich.console import Console

from relx import progress


@pytest.fixture
def printed(monkeypatch):
    """What is printed while standard error is a log file."""
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=False, highlight=False, soft_wrap=True)
    monkeypatch.setattr(progress, "_console", console)
    monkeypatch.setattr(progress, "_quiet", False)
    return stream


def test_a_message_is_one_line_as_it_stands(printed):
    message = "[bold] 문장 " + "long " * 60 + "[/E1]"
    progress.say(message)
    assert printed.getvalue() == message + "\n"


def test_quiet_silences_messages_and_bars_but_not_warnings(printed, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    progress.configure(quiet=True)
    progress.say("reading")
    with progress.bar("train", 2, "steps") as bar:
        bar.advance()
    assert printed.getvalue() == ""
    progress.warn("one class")
    assert printed.getvalue() == "warning: one class\n"


def test_a_log_gets_plain_lines_with_count_speed_time_left_and_figures(printed, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with progress.bar("train", 4, "steps") as bar:
        bar.advance(1, "loss 1.25")
        bar.advance(2)
    first, second = printed.getvalue().splitlines()
    assert first.startswith("train: 1/4 steps, ") and first.endswith(" s left, loss 1.25")
    assert second.startswith("train: 3/4 steps, ") and second.endswith(", loss 1.25")
    assert "\x1b" not in printed.getvalue()


def test_a_log_is_not_flooded(printed):
    with progress.bar("train", 1000, "steps") as bar:
        for _ in range(1000):
            bar.advance()
    assert printed.getvalue() == ""
    assert bar.done == 1000


def test_the_line_tells_speed_and_time_left(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", lambda: 10.0)
    bar = progress.Bar(total=100, unit="steps", done=20, _started=0.0)
    assert bar.line("tapt") == "tapt: 20/100 steps, 2.0 steps/s, 40 s left"


def test_a_terminal_gets_a_bar(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "_console", Console(file=stream, force_terminal=True, width=120))
    monkeypatch.setattr(progress, "_quiet", False)
    with progress.bar("train", 2, "steps") as bar:
        bar.advance(2, "loss 0.50")
    assert "2/2" in stream.getvalue() and "loss 0.50" in stream.getvalue()
