"""Styles: what the network imitates of a writer, some kilobytes in a file of their own.

A style is a vector for the whole hand and one for each character, as the network's encoder finds them in ink
(`strokesynth.nn.style_encoder`), with how sure it is of each number. Styles live in the space of one network;
its `style_space` is kept with them, so that none is read as another network's.
"""

from __future__ import annotations

import difflib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from strokesynth._checks import seed_sequence
from strokesynth._files import atomic_write
from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.ink.json_npz import from_json, to_json
from strokesynth.nn.style_encoder import StyleVectors
from strokesynth.nn.styled import StyledNetwork
from strokesynth.nn.weights import load_weights, packaged
from strokesynth.synthesis.measures import measure
from strokesynth.synthesis.posterior import PARTS, Floats, StylePosterior
from strokesynth.synthesis.spelling import spell

if TYPE_CHECKING:
    from strokesynth.datasets.corpus import Corpus
    from strokesynth.recognition.recognizer import Recognizer

FORMAT = "strokesynth-style"
VERSION = 2
BUNDLED = Path(__file__).parents[1] / "styles"

DEFAULT_STRENGTH = 1.3
"""How far beyond the average hand a style made from ink is taken: 1 is as the encoder finds it."""

COMMON_WIDTH = 1.05
"""Width of a primed network's own hand, in x-heights a character."""

_MOST_SLANT, _MOST_STRETCH = 0.8, 1.8
_LETTERS_TO_MEASURE = 10


@dataclass(frozen=True, eq=False)
class Style:
    """A hand to write in.

    name       any text that is not blank.
    ink        a line in that hand, normalised and resampled (`strokesynth.ink.normalize.normalize`), that says its
               text; or None. A network that knows no styles is primed with it.
    bias       the neatness that suits the hand, for calls that name none; or None.
    posterior  what a network that knows styles imitates; where there is none, it is made from the ink.
    strength   the style is written `strength` times as far from the average hand as its posterior says.
    prime      let a network that knows styles read the ink as well before it writes: nearer to the hand, less legible.

    Make one with `from_ink`, `of_writer`, `sample`, `mix` or `load`. Raises ValueError when there is neither ink nor
    posterior, and when the ink says no text or cannot be normalised ink.
    """

    name: str
    ink: Ink | None = None
    bias: float | None = None
    posterior: StylePosterior | None = None
    strength: float = 1.0
    prime: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"the name of a style is a str that is not blank, got {self.name!r}")
        if self.bias is not None and not _is_number(self.bias, 0, 100):
            raise ValueError(f"the bias of a style is None or a number from 0 to 100, got {self.bias!r}")
        if not _is_number(self.strength, 0, 10):
            raise ValueError(f"the strength of a style is a number from 0 to 10, got {self.strength!r}")
        if self.ink is not None:
            _check_ink(self.ink)
        elif self.posterior is None:
            raise ValueError(f"style {self.name!r} has neither ink nor a posterior")

    @cached_property
    def upright(self) -> tuple[Ink, NDArray[np.float64]]:
        """The ink upright and of common width, and the map (2, 3) that gives both back; not of a few letters.

        Left to itself a primed network falls back to its usual slant and width, so these are taken off what it reads.
        Raises ValueError for a style without ink.
        """
        if self.ink is None:
            raise ValueError(f"style {self.name!r} has no ink to prime on, which this network needs")
        hand = measure(self.ink)
        slant = min(max(hand.slant, -_MOST_SLANT), _MOST_SLANT)
        stretch = min(max(hand.width / COMMON_WIDTH, 1 / _MOST_STRETCH), _MOST_STRETCH)
        if sum(not c.isspace() for c in self.ink.text or "") < _LETTERS_TO_MEASURE:
            slant, stretch = 0.0, 1.0
        slanted = np.array([[stretch, -slant, 0.0], [0.0, 1.0, 0.0]])
        upright = np.array([[1.0, slant, 0.0], [0.0, stretch, 0.0]]) / stretch
        return self.ink.transform(upright), slanted

    # --- making styles -----------------------------------------------------------------------------------

    @classmethod
    def from_ink(
        cls,
        inks: Ink | Sequence[Ink],
        texts: str | Sequence[str] | None = None,
        *,
        name: str = "own",
        strength: float = DEFAULT_STRENGTH,
        bias: float | None = None,
        force: bool = False,
        network: StyledNetwork | None = None,
        recognizer: Recognizer | None = None,
    ) -> Style:
        """The style of one line of ink or of several by the same person, from any device, in any unit.

        texts: what the lines say; where it is not given, what the ink itself says (`ink.text`), and else what the
        recogniser reads. force: take ink that does not seem to say its text. network, recognizer: those in the
        package if None.
        Raises ValueError, naming the line, for ink that cannot be normalised, that does not seem to say its text, or
        too short for it; and where there is none.
        """
        from strokesynth.synthesis.imitation import imitate  # SciPy is slow to import, and few need this

        lines = [inks] if isinstance(inks, Ink) else list(inks)
        given = [texts] if isinstance(texts, str) else texts
        network = packaged_network() if network is None else network
        posterior, line = imitate(lines, given, network, recognizer, force=force)
        return cls(name, line, bias, posterior, strength)

    @classmethod
    def of_writer(
        cls,
        corpus: Corpus,
        writer: str,
        *,
        lines: int = 8,
        strength: float = DEFAULT_STRENGTH,
        network: StyledNetwork | None = None,
        recognizer: Recognizer | None = None,
    ) -> Style:
        """The style of a writer of a corpus, by their name there, from at most so many of their longest lines.

        Raises ValueError, naming similar ones, where the corpus has no such writer.
        """
        from strokesynth.synthesis.imitation import imitate

        own = np.flatnonzero(corpus.writers == writer)
        if not len(own):
            near = difflib.get_close_matches(writer, sorted(set(corpus.writers.tolist())), n=3)
            hint = f"; similar: {', '.join(near)}" if near else ""
            raise ValueError(f"the corpus has no writer {writer!r}{hint}")
        longest = own[np.argsort(-corpus.lengths[own], kind="stable")][:lines]
        inks = [Ink.from_offsets(corpus.offsets(int(i))) for i in longest]
        network = packaged_network() if network is None else network
        posterior, line = imitate(
            inks, corpus.texts[longest].tolist(), network, recognizer, force=True, normalized=True
        )
        return cls(writer, line, None, posterior, strength)

    @classmethod
    def sample(
        cls,
        seed: int | None = None,
        *,
        like: Style | None = None,
        spread: float = 1.0,
        name: str | None = None,
        network: StyledNetwork | None = None,
    ) -> Style:
        """A hand that nobody has, drawn from the prior over styles; or one that the ink of `like` might be in as well.

        spread: how far hands lie from the average, or from `like`, in units of what is natural.
        """
        network = packaged_network() if network is None else network
        if not _is_number(spread, 0, 10):
            raise ValueError(f"spread is a number from 0 to 10, got {spread!r}")
        rng = np.random.default_rng(seed_sequence(seed))
        label = f"sampled {seed}" if name is None else name
        if like is None:
            hand, characters = (part[0].cpu().numpy() for part in draw_prior(network, [rng], spread))
            return cls(
                label,
                posterior=StylePosterior(network.style_space, hand, characters, 0 * hand, 0 * characters),
            )
        known = like.numbers(network)
        hand, characters = (
            mean + np.float32(spread) * deviation * rng.standard_normal(mean.shape).astype(np.float32)
            for mean, deviation in (
                (known.hand, known.hand_spread),
                (known.characters, known.characters_spread),
            )
        )
        return cls(
            label,
            None,
            like.bias,
            replace(known, hand=hand, characters=characters),
            like.strength,
        )

    @classmethod
    def mix(
        cls,
        styles: Sequence[tuple[Style, float]],
        *,
        letters: Sequence[tuple[Style, float]] | None = None,
        name: str = "mixed",
    ) -> Style:
        """Between styles, each with its weight; with `letters` the shapes of characters are those of other styles.

        What is not `letters` is the hand as a whole: slant, size, joining and rhythm.
        Raises ValueError for weights that are negative or add up to nothing, and styles of different networks.
        """
        hands, shapes = _shares(styles), _shares(styles if letters is None else letters)
        known = {id(style): style.numbers() for style, _ in (*hands, *shapes)}
        spaces = {numbers.space for numbers in known.values()}
        if len(spaces) > 1:
            raise ValueError(f"the styles to mix are of different networks: {', '.join(sorted(spaces))}")

        def mean(pairs: list[tuple[Style, float]], part: str) -> Floats:
            values = sum(
                weight * (1.0 if "spread" in part else style.strength) * getattr(known[id(style)], part)
                for style, weight in pairs
            )
            return cast(Floats, np.asarray(values, np.float32))

        parts = [mean(hands if part.startswith("hand") else shapes, part) for part in PARTS]
        return cls(name, posterior=StylePosterior(spaces.pop(), *parts))

    def project(
        self,
        inks: Ink | Sequence[Ink],
        texts: str | Sequence[str] | None = None,
        *,
        seconds: float = 30.0,
        force: bool = False,
        network: StyledNetwork | None = None,
        recognizer: Recognizer | None = None,
        progress: bool = False,
    ) -> Style:
        """The style near this one that makes the given ink most likely: gradient steps on its numbers alone.

        Of three lines or more some are held back, and what is returned is no worse on these than this style is.
        seconds: the most that it takes. Other arguments as for `from_ink`.
        """
        from strokesynth.synthesis.imitation import prepare
        from strokesynth.synthesis.projection import project

        lines = [inks] if isinstance(inks, Ink) else list(inks)
        given = [texts] if isinstance(texts, str) else texts
        network = packaged_network() if network is None else network
        prepared = prepare(lines, given, network, recognizer, force=force)
        said = [line.text or "" for line, _ in prepared]
        found = project(
            self.numbers(network),
            self.strength,
            [line for line, _ in prepared],
            said,
            network,
            seconds=seconds,
            progress=progress,
        )
        return replace(self, posterior=found, strength=1.0)

    # --- files -------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the style to a .json file, whole or not at all; its numbers are kept as float16.

        Raises ValueError on another suffix or an unwritable place, FileNotFoundError where the folder is missing.
        """
        _check_suffix(path)
        document: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "bias": None if self.bias is None else float(self.bias),
            "strength": float(self.strength),
            "prime": self.prime,
            "ink": None if self.ink is None else json.loads(to_json(self.ink)),
            "posterior": None if self.posterior is None else self.posterior.to_json(),
        }
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="ascii")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Style:
        """Read a style that `save` wrote.

        Raises FileNotFoundError where there is no file; ValueError, naming the file, where it holds no style, or one
        of a version that this package does not read.
        """
        _check_suffix(path)
        data = Path(path).read_bytes()
        try:
            return _from_json(data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    # --- using styles ------------------------------------------------------------------------------------

    @classmethod
    def of(cls, style: str | Style | Ink) -> Style:
        """The style that is meant: by the name of a bundled one, itself, or that of a line of ink."""
        if isinstance(style, str):
            return _bundled(style)
        if isinstance(style, Ink):
            return cls("ink", style)
        if not isinstance(style, Style):
            raise ValueError(f"style is a name of styles(), a Style or Ink, not {type(style).__name__}")
        return style

    def numbers(self, network: StyledNetwork | None = None) -> StylePosterior:
        """The posterior, made from the ink where there is none; of the network in the package if None is given.

        Raises ValueError if the posterior is of another network.
        """
        if self.posterior is None:
            assert self.ink is not None
            return self._from_own_ink(packaged_network() if network is None else network)
        if network is not None and self.posterior.space != network.style_space:
            raise ValueError(
                f"style {self.name!r} was made with another network (its space is {self.posterior.space}, that of this "
                f"network {network.style_space}): make it anew from its ink"
            )
        return self.posterior

    def vectors(self, network: StyledNetwork) -> StyleVectors:
        """What the network writes with: hand (Z,) and characters (A, S), strength included."""
        known, device = self.numbers(network), network.offset_mean.device
        return StyleVectors(
            torch.from_numpy(known.hand * np.float32(self.strength)).to(device),
            torch.from_numpy(known.characters * np.float32(self.strength)).to(device),
        )

    def _from_own_ink(self, network: StyledNetwork) -> StylePosterior:
        cache: dict[str, StylePosterior] = self.__dict__.setdefault("_encoded", {})
        if (space := network.style_space) not in cache:
            from strokesynth.synthesis.imitation import imitate

            assert self.ink is not None
            cache[space] = imitate([self.ink], None, network, force=True, normalized=True)[0]
        return cache[space]


def styles() -> list[str]:
    """Names of the bundled styles, for `style=`."""
    return sorted(file.stem for file in BUNDLED.glob("*.json"))


def draw_prior(
    network: StyledNetwork, generators: Sequence[np.random.Generator], spread: float = 1.0
) -> StyleVectors:
    """Hands drawn from the network's prior over styles, one for each generator.

    Raises ValueError where the network has none.
    """
    if not network.prior.fitted:
        raise ValueError("this network has no prior over styles; train.py fits one at the end of a run")
    noise = np.stack([rng.standard_normal(len(network.prior.basis)) for rng in generators])
    with torch.no_grad():
        return network.prior(torch.from_numpy(spread * noise).float().to(network.prior.basis.device))


@cache
def packaged_network() -> StyledNetwork:
    """The styled network in the package."""
    network = load_weights(packaged("synthesis.safetensors")).network
    if not isinstance(network, StyledNetwork):
        raise ValueError("the synthesis network in the package knows no styles")
    return network


@cache
def _bundled(name: str) -> Style:
    known = styles()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        file = " A style file is read with Style.load(path)." if "." in name or os.sep in name else ""
        raise ValueError(f"there is no style {name!r}; there are {', '.join(known)}.{hint}{file}")
    return Style.load(BUNDLED / f"{name}.json")


def _shares(pairs: Sequence[tuple[Style, float]]) -> list[tuple[Style, float]]:
    """The same pairs with weights that add up to one."""
    pairs = list(pairs)
    for style, weight in pairs:
        if not isinstance(style, Style):
            raise ValueError(f"a mixture is a list of (Style, weight), and {style!r} is no Style")
        if not _is_number(weight, 0, math.inf):
            raise ValueError(f"weights of a mixture are finite numbers of at least 0, got {weight!r}")
    total = sum(weight for _, weight in pairs)
    if not total > 0:
        raise ValueError("the weights of a mixture add up to nothing; expected at least one above 0")
    return [(style, weight / total) for style, weight in pairs]


def _from_json(data: bytes) -> Style:
    try:
        document = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON document ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else None
        raise ValueError(f'not a style: "format" is {found!r}, not {FORMAT!r}')
    version, ink, posterior = (document.get(key) for key in ("version", "ink", "posterior"))
    if version not in (1, VERSION):
        raise ValueError(f"a style of version {version!r}; this package reads versions 1 and {VERSION}")
    return Style(
        document.get("name"),  # type: ignore[arg-type]
        None if ink is None and version == VERSION else from_json(json.dumps(ink)),
        document.get("bias"),
        None if posterior is None else StylePosterior.from_json(posterior),
        document.get("strength", 1.0),
        document.get("prime", False) is True,
    )


def _check_ink(ink: object) -> None:
    if not isinstance(ink, Ink):
        raise ValueError(f"the ink of a style is an Ink, not {type(ink).__name__}")
    if ink.text is None:
        raise ValueError("style is ink that says its text, and here ink.text is None")
    try:
        characters = len(spell(ink.text, Alphabet()).base)
    except ValueError as error:
        raise ValueError(f"style: {error}") from None
    left, top, right, bottom = ink.bounds
    height, density = bottom - top, ink.n_points / characters
    if not (height < 8 and abs(top + bottom) < 8 and right - left < 4 * (characters + 1) and density < 40):
        raise ValueError(
            f"style is not normalised ink: it is {height:.3g} high, from {top:.3g} to {bottom:.3g}, and "
            f"{right - left:.3g} wide with {density:.0f} points a character; Style.from_ink(ink) normalises it"
        )


def _is_number(value: object, least: float, most: float) -> bool:
    return (
        isinstance(value, int | float | np.number)
        and not isinstance(value, bool)
        and bool(least <= value <= most)
        and value != math.inf
    )


def _check_suffix(path: str | os.PathLike[str]) -> None:
    if Path(path).suffix.lower() != ".json":
        raise ValueError(f"{path}: a style is a .json file; the suffix here is {Path(path).suffix!r}")
