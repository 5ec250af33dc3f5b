"""Ctrl-C before the work has begun, where a library's code may drop it."""

import subprocess
import sys

SWALLOWED = """
import os, signal, sys, time
from relx import stopping
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a parent may have had ignored
stopping.note_interrupts()

class Drops:
    def __del__(self):  # what is raised here, Python prints and forgets
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)

if "drop" in sys.argv:
    dropped = Drops()
    del dropped
    print("goes on", flush=True)
try:
    with stopping.Stop():
        print("works", flush=True)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def said(*words):
    command = [sys.executable, "-c", SWALLOWED, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")


def test_an_interrupt_that_a_library_drops_stops_before_the_work():
    assert said("drop") == ["goes on", "stopped", ""]


def test_without_one_the_work_is_done():
    assert said() == ["works", ""]
