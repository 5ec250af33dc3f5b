"""The processes of a run that is spread over several, as the environment describes them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from relx.faults import Fault, InputError, shorten
from relx.recipe import DeviceSection

TF_CONFIG = "TF_CONFIG"
EXAMPLE = (
    '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
)
ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
COUNT = "KERAS_DISTRIBUTION_NUM_PROCESSES"
INDEX = "KERAS_DISTRIBUTION_PROCESS_ID"


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a run.

    Args:
        index: Which of them this one is, from 0; the first writes what the run leaves.
        count: How many there are.
    """

    index: int = 0
    count: int = 1


def read_processes(section: DeviceSection) -> Processes:
    """Reads from the environment which process of a run this one is; imports no backend.

    Args:
        section: The recipe's `device`.

    Returns:
        The processes: a single one unless the strategy is multi_worker.

    Raises:
        InputError: The strategy is multi_worker, and the backend's variables are missing or wrong.
    """
    if section.strategy != "multi_worker":
        return Processes()
    if section.backend == "tensorflow":
        return _of_tensorflow()
    if section.backend == "jax":
        return _of_keras()
    what = "on the torch backend Keras computes on one device"
    step = "set device.strategy to one, or device.backend to tensorflow or jax"
    raise InputError(Fault(what, "device.strategy", section.strategy, next_step=step))


def is_chief(section: DeviceSection) -> bool:
    """Says whether this process is the one of its run that writes; imports no backend.

    Args:
        section: The recipe's `device`.

    Raises:
        InputError: As for `read_processes`.
    """
    return read_processes(section).index == 0


def _of_tensorflow() -> Processes:
    """Reads TF_CONFIG."""
    text = os.environ.get(TF_CONFIG, "")
    if not text:
        raise InputError(_unset(TF_CONFIG, f"{TF_CONFIG}='{EXAMPLE}'"))
    try:
        return _place(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = "this does not describe the processes of a run and which of them this one is"
        raise InputError(Fault(what, TF_CONFIG, shorten(text), EXAMPLE)) from error


def _place(config: Any) -> Processes:
    """Finds this process among those of a TF_CONFIG: a chief is the first, then the workers."""
    cluster, task = config["cluster"], config["task"]
    if not set(cluster) <= {"chief", "worker"}:
        raise ValueError("jobs other than chief and worker")
    places = [(job, i) for job in ("chief", "worker") for i in range(len(cluster.get(job, [])))]
    return Processes(places.index((task["type"], int(task["index"]))), len(places))


def _of_keras() -> Processes:
    """Reads the variables of keras.distribution."""
    unset = [name for name in (ADDRESSES, COUNT, INDEX) if not os.environ.get(name)]
    if unset:
        example = f"{ADDRESSES}=host1:2222,host2:2222 {COUNT}=2 {INDEX}=0"
        raise InputError(_unset(", ".join(unset), example))
    numbers = {name: os.environ[name] for name in (INDEX, COUNT)}
    if not all(number.isdigit() for number in numbers.values()):
        received = ", ".join(f"{name}={number}" for name, number in numbers.items())
        raise InputError(Fault("these must be whole numbers", "device.strategy", received))
    place = Processes(int(numbers[INDEX]), int(numbers[COUNT]))
    addresses = os.environ[ADDRESSES].split(",")
    if place.index >= place.count or len(addresses) not in (1, place.count):
        received = f"{COUNT}={place.count}, {INDEX}={place.index}, {len(addresses)} addresses"
        allowed = "an index below the number of processes; one address, or one for each"
        what = "these variables contradict each other"
        raise InputError(Fault(what, "device.strategy", received, allowed))
    return place


def _unset(name: str, example: str) -> Fault:
    what = "the strategy multi_worker needs to know the processes of the run"
    step = f"start every process with its own variables, for example {example}"
    return Fault(what, "device.strategy", f"{name} is not set", next_step=step)
