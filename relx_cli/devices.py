"""relx devices: what there is to compute on, and what auto makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from relx_cli.options import backend_option, quiet_option

if TYPE_CHECKING:
    from relx.devices.speed import DeviceSpeed

GIB = 2**30


@click.command(
    epilog="""\b
Examples:
  relx devices
  relx devices --backend jax
  relx devices --json""",
)
@backend_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@quiet_option
def devices(backend: str | None, as_json: bool) -> None:
    """Show the backends and devices, what auto chooses and why, and how fast they multiply.

    One backend is opened, as it would be for a recipe without a device section: TensorFlow, or
    else the first that is installed.
    """
    from relx.devices.speed import measure_device_speed

    found = measure_device_speed(backend)
    if as_json:
        click.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_tables(found)


def _print_tables(found: DeviceSpeed) -> None:
    from relx_cli.tables import print_table

    opened = found.device.backend
    versions = found.versions.items()
    backends = [(n, v or "not installed", "opened" if n == opened else "") for n, v in versions]
    print_table(("backend", "version", ""), backends)
    click.echo()
    processors = found.device.machine.processors
    rows = [(p.name, f"{p.memory / GIB:.1f} GiB" if p.memory else "unknown") for p in processors]
    print_table(("device", "memory"), rows, right={"memory"})
    click.echo()
    choices = [(name, value, why) for name, (value, why) in found.choices().items()]
    print_table(("auto", "chooses", "because"), choices)
    click.echo()
    speeds = [(dtype, f"{speed:,.0f}") for dtype, speed in found.speeds.items()]
    product = f"{found.size} x {found.size} product"
    print_table((product, "GFLOP/s"), speeds, right={"GFLOP/s"})
