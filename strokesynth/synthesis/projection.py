"""Finding the style that makes given ink most likely: gradient steps on the style alone, from the encoder's guess.

The encoder looks at each line once; here the network that writes says itself which numbers explain the ink best. The
posterior of the encoder is the prior of this search (maximum a posteriori), and lines held back say when to stop.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.sampling import start_point, with_terminal
from strokesynth.nn.style_encoder import StyleVectors
from strokesynth.nn.styled import StyledNetwork
from strokesynth.synthesis.posterior import StylePosterior

if TYPE_CHECKING:
    from collections.abc import Callable

_RATE = 0.03  # of Adam, in units of what writers differ by
_LOOSE = 2.0  # the prior of the search is so much wider than the encoder's posterior
_HELD_BACK = 4  # one line in so many says when to stop
_PATIENCE = 12  # steps without a gain on lines held back, after which the search ends
_MOST_STEPS = 400


class Lines:
    """Lines of one writer as the network learns from them: their likelihood in any style."""

    def __init__(self, network: StyledNetwork, inks: Sequence[Ink], texts: Sequence[str]) -> None:
        """Normalised ink (`strokesynth.ink.normalize`) and what it says, in base letters."""
        alphabet = Alphabet()
        device = network.offset_mean.device
        lines = [torch.from_numpy(with_terminal(ink.to_offsets())) for ink in inks]
        codes = [torch.from_numpy(alphabet.encode(text, with_end=True)) for text in texts]
        pad = torch.nn.utils.rnn.pad_sequence
        self.network = network
        self.points = pad(lines).to(device)  # (T, B, 3)
        self.mask = pad([torch.ones(len(line)) for line in lines]).to(device)
        self.codes = pad(codes, batch_first=True).to(device)
        self.lengths = torch.tensor([len(c) for c in codes], device=device)

    def nats(self, style: StyleVectors) -> Tensor:
        """Negative log-likelihood of each line (B,) in one style: hand (Z,), characters (A, S)."""
        count = len(self.lengths)
        both = StyleVectors(style.hand.expand(count, -1), style.characters.expand(count, -1, -1))
        pen = self.network.pen
        inputs = torch.cat([start_point(count, self.points.device)[None], self.points[:-1]])
        outputs, _, _ = self.network(pen.standardize(inputs), self.codes, self.lengths, both)
        log_densities = log_likelihood(split_outputs(outputs), pen.standardize(self.points))
        return -(log_densities * self.mask).sum(0)


def project(
    known: StylePosterior,
    strength: float,
    inks: Sequence[Ink],
    texts: Sequence[str],
    network: StyledNetwork,
    *,
    seconds: float,
    progress: bool = False,
) -> StylePosterior:
    """The style that makes these lines of normalised ink most likely, no worse on lines held back than it was.

    The search starts from `known` at that strength; the result is meant at strength 1.
    Raises ValueError for a time that is no number above 0. See `Style.project`.
    """
    if not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds is {seconds!r}; expected a finite number above 0")
    network = copy.deepcopy(network).requires_grad_(False)
    held = list(range(_HELD_BACK - 1, len(inks), _HELD_BACK)) if len(inks) > 2 else []
    rest = [i for i in range(len(inks)) if i not in held] or held

    def lines(chosen: list[int]) -> Lines:
        return Lines(network, [inks[i] for i in chosen], [texts[i] for i in chosen])

    device = network.offset_mean.device
    means = (torch.from_numpy(values * np.float32(strength)) for values in (known.hand, known.characters))
    start = StyleVectors(*(part.to(device) for part in means))
    spreads = [
        torch.from_numpy(np.maximum(values, 0.05)).to(part.device) * _LOOSE * max(strength, 1e-3)
        for values, part in zip((known.hand_spread, known.characters_spread), start, strict=True)
    ]
    found = _search(lines(rest).nats, lines(held).nats if held else None, start, spreads, seconds, progress)
    hand, characters = (part.cpu().numpy() for part in found)
    return replace(known, hand=hand, characters=characters)


def _search(
    nats: Callable[[StyleVectors], Tensor],
    check: Callable[[StyleVectors], Tensor] | None,
    start: StyleVectors,
    spreads: Sequence[Tensor],
    seconds: float,
    progress: bool,
) -> StyleVectors:
    """Adam on steps measured in spreads; the best style by `check`, or the last one where there is nothing to check."""
    end = time.monotonic() + seconds
    steps = [torch.zeros_like(part, requires_grad=True) for part in start]
    optimizer = torch.optim.Adam(steps, lr=_RATE / float(torch.cat([s.flatten() for s in spreads]).mean()))

    def style() -> StyleVectors:
        return StyleVectors(*(a + s * w for a, s, w in zip(start, steps, spreads, strict=True)))

    best, least, since = start, math.inf, 0
    if check is not None:
        with torch.no_grad():
            least = float(check(start).sum())
    for _ in tqdm(range(_MOST_STEPS), desc="projecting", unit=" steps", disable=not progress):
        loss = nats(style()).sum() + 0.5 * torch.stack([step.square().sum() for step in steps]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if check is None:
            best = StyleVectors(*(part.detach() for part in style()))
        else:
            with torch.no_grad():
                now = float(check(style()).sum())
            if now < least:
                best, least, since = StyleVectors(*(part.detach() for part in style())), now, 0
            elif (since := since + 1) >= _PATIENCE:
                break
        if time.monotonic() > end:
            break
    return best
