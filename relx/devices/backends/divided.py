"""JAX's devices with a share of the weights each, for models that are larger than one device."""

from __future__ import annotations

from typing import Any

import jax
import keras

AXIS = "devices"


class DividedWeights(keras.distribution.ModelParallel):
    """Divides weights among devices, and each batch as well.

    A device holds a share of every kernel, of its gradient and of what the optimizer keeps of it; a
    kernel is gathered where it is used, and let go again. What is computed is what one device would
    compute: Rajbhandari et al. 2020 (ZeRO, stage 3), as XLA's partitioner does it.

    Args:
        devices: The devices.
    """

    def __init__(self, devices: list[jax.Device]) -> None:
        names = [f"{device.platform}:{device.id}" for device in devices]
        mesh = keras.distribution.DeviceMesh((len(devices),), [AXIS], names)
        # `stream` hands each process its own rows.
        super().__init__(
            layout_map=keras.distribution.LayoutMap(mesh),
            batch_dim_name=AXIS,
            auto_shard_dataset=False,
        )

    def get_variable_layout(self, variable: Any) -> Any:
        """Divides a variable along its longest dimension that the devices can share evenly."""
        axes: list[str | None] = [None] * len(variable.shape)
        divided = divided_axis(variable.shape, self.device_mesh.shape[0])
        if divided is not None:
            axes[divided] = AXIS
        return keras.distribution.TensorLayout(axes, self.device_mesh)


def divided_axis(shape: tuple[int, ...], devices: int) -> int | None:
    """Chooses the dimension along which a variable is divided.

    Args:
        shape: The variable's shape. A vector or a number stays whole: it is small.
        devices: How many devices there are.

    Returns:
        The longest dimension that so many devices can share evenly, of equals the last; None where
        there is none.
    """
    even = [axis for axis, size in enumerate(shape) if size % devices == 0 and size]
    if len(shape) < 2 or not even:
        return None
    return max(even, key=lambda axis: (shape[axis], axis))
