"""The numbers of a style: what the network's encoder finds in ink, and how sure it is of them."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

PARTS = ("hand", "characters", "hand_spread", "characters_spread")
"""Arrays of a posterior."""

_MOST = 50.0  # no number of a style is as large


@dataclass(frozen=True, eq=False)
class StylePosterior:
    """A style as the network's encoder finds it in ink: a Gaussian over its numbers.

    hand                float32 (Z,), the writer's hand as a whole.
    characters          float32 (A, S), how they make each character of the alphabet.
    hand_spread,
    characters_spread   standard deviations of the same shapes: how sure the encoder is; zero where it is not asked.
    space               the `style_space` of the network that understands these numbers.

    Raises ValueError for numbers that are not finite, too large, or of shapes that do not fit.
    """

    space: str
    hand: Floats
    characters: Floats
    hand_spread: Floats
    characters_spread: Floats

    def __post_init__(self) -> None:
        for name in PARTS:
            values = np.array(getattr(self, name), np.float32)
            expected = 1 if name.startswith("hand") else 2
            if values.ndim != expected or values.shape != np.shape(getattr(self, name.split("_")[0])):
                raise ValueError(f"{name} of a style has shape {values.shape}")
            if not (np.abs(values) < _MOST).all():
                raise ValueError(f"{name} of a style has numbers that are not finite or too large")
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def to_json(self) -> dict[str, Any]:
        """As plain values, the numbers as float16 in base64."""
        arrays = {part: _encode(getattr(self, part)) for part in PARTS}
        return {"space": self.space, "shape": [*self.hand.shape, *self.characters.shape], **arrays}

    @classmethod
    def from_json(cls, document: Any) -> StylePosterior:
        """Inverse of `to_json`. Raises ValueError for anything else."""
        if not isinstance(document, dict):
            raise ValueError(f'"posterior" is {type(document).__name__}; expected an object')
        shape, space = document.get("shape"), document.get("space")
        if not (isinstance(shape, list) and len(shape) == 3 and all(_is_size(n) for n in shape)):
            raise ValueError(f'"shape" is {shape!r}; expected three whole numbers')
        if not isinstance(space, str):
            raise ValueError(f'"space" is {space!r}; expected a str')
        arrays = [
            _decode(document, part, (shape[0],) if part.startswith("hand") else (shape[1], shape[2]))
            for part in PARTS
        ]
        return cls(space, *arrays)


def _encode(values: Floats) -> str | None:
    """The numbers as float16 in base64; None for zeros only, as the spread of a hand that was made up."""
    return base64.b64encode(values.astype("<f2").tobytes()).decode("ascii") if values.any() else None


def _decode(document: dict[str, Any], part: str, shape: tuple[int, ...]) -> Floats:
    if part in document and document[part] is None:
        return np.zeros(shape, np.float32)
    try:
        data = base64.b64decode(document.get(part, ""), validate=True)
    except (TypeError, binascii.Error) as error:
        raise ValueError(f'"{part}" is not base64 ({error})') from error
    if len(data) != 2 * math.prod(shape):
        raise ValueError(f'"{part}" has {len(data)} bytes; expected {2 * math.prod(shape)}')
    return np.frombuffer(data, "<f2").reshape(shape).astype(np.float32)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 4096
