"""Styles are saved and read whole, refused when they are none, and told apart by measure."""

import json

import numpy as np
import pytest

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.synthesis.style import Measure, Style, measure, styles

INK = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0.125]], [[1.0, -0.5], [1.5, 0.1]]], "Äb")


def test_save_and_load(tmp_path):
    style = Style("mine", INK, bias=1.5)
    style.save(tmp_path / "mine.json")
    assert Style.load(tmp_path / "mine.json") == style
    assert [file.name for file in tmp_path.iterdir()] == ["mine.json"]
    Style("mine", INK).save(tmp_path / "mine.json")
    assert Style.load(tmp_path / "mine.json").bias is None


def changed(**changes) -> str:
    ink = {"format": "strokesynth-ink", "version": 1, "text": "ab", "strokes": [[[0, 0], [1, -1]]]}
    document = {"format": "strokesynth-style", "version": 1, "name": "x", "bias": None, "ink": ink}
    return json.dumps(document | changes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a JSON document"),
        (changed()[:-9], "not a JSON document"),
        ("\xff", "not a JSON document"),
        ("[" * 100_000, "not a JSON document"),
        ("[1]", 'not a style: "format" is None'),
        (changed(format="strokesynth-ink"), "not a style: \"format\" is 'strokesynth-ink'"),
        (changed(version=2), "a style of version 2; this package reads version 1"),
        (changed(version=None), "a style of version None"),
        (changed(name=5), "the name of a style is a str that is not blank, got 5"),
        (changed(name=" "), "not blank"),
        (changed(bias=-1), "the bias of a style is None or a number from 0 to 100, got -1"),
        (changed(bias=True), "got True"),
        (changed(bias=10**400), "the bias of a style"),
        (changed(bias=float("nan")), "got nan"),
        (changed(ink=None), "JSON object is expected"),
        (changed(ink={"format": "strokesynth-ink", "version": 9}), "ink of version 9"),
        (changed(ink={"format": "strokesynth-ink", "version": 1, "strokes": [[["a"]]]}), "stroke 0"),
        (changed().replace("-1]", "NaN]"), "finite"),
        (changed().replace("-1]", "-90]"), "not normalised ink"),
    ],
)
def test_damaged_files(tmp_path, content, message):
    path = tmp_path / "style.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=message) as caught:
        Style.load(path)
    assert "style.json" in str(caught.value)


def test_a_whole_file_is_read(tmp_path):
    (tmp_path / "style.json").write_text(changed())
    assert Style.load(tmp_path / "style.json").ink.text == "ab"


def test_missing_files_and_suffixes(tmp_path):
    with pytest.raises(FileNotFoundError):
        Style.load(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        Style("x", INK).save(tmp_path / "none" / "x.json")
    for use in (Style("x", INK).save, Style.load):
        with pytest.raises(ValueError, match=r"a style is a \.json file; the suffix here is '\.txt'"):
            use(tmp_path / "style.txt")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", INK), "not blank"),
        (("x", "ink"), "the ink of a style is an Ink, not str"),
        (("x", Ink.from_strokes(INK.strokes)), "ink.text is None"),
        (("x", Ink.from_strokes(INK.strokes, " ")), "style: .*only blanks"),
        (("x", Ink.from_strokes(INK.strokes, "漢")), "style: .*'漢'"),
        (("x", INK.scale(20)), r"not normalised ink: it is 22\.5 high.*Style.from_ink"),
    ],
)
def test_what_is_no_style(arguments, message):
    with pytest.raises(ValueError, match=message):
        Style(*arguments)


def test_any_ink_becomes_a_style():
    x = np.linspace(0, 12, 200)
    ink = Ink.from_strokes([np.column_stack([x, 0.5 * np.cos(2 * np.pi * x)])]).scale(37.0).translate(500, 90)
    style = Style.from_ink(ink, "nnnnnnnnnnnn", name="waves")
    assert style.name == "waves" and style.ink.text == "nnnnnnnnnnnn"
    left, top, _, bottom = style.ink.bounds
    assert left == 0 and top == pytest.approx(-1, abs=0.15) and bottom == pytest.approx(0, abs=0.15)
    assert Style.from_ink(Ink.from_strokes(ink.strokes, "n" * 12)).ink == style.ink
    with pytest.raises(ValueError, match="ink.text is None"):
        Style.from_ink(ink)
    with pytest.raises(ValueError, match="text is what the ink says, a str, not int"):
        Style.from_ink(ink, 5)


def test_what_stands_for_a_style():
    style = Style("mine", INK)
    assert Style.of(style) is style and Style.of(INK).ink is INK
    name = styles()[0]
    assert Style.of(name).name == name and Style.of(name) is Style.of(name)
    for wrong, message in [
        ("calm.json", r"no style 'calm\.json'; there are .*Style\.load"),
        (name[:-1] + "x", f"Did you mean {name!r}"),
        (5, "a name of styles.., a Style or Ink, not int"),
    ]:
        with pytest.raises(ValueError, match=message):
            Style.of(wrong)


def test_bundled_styles():
    assert len(styles()) >= 8
    hands = {}
    for name in styles():
        style = Style.of(name)
        assert style.name == name and 20 <= len(style.ink.text) <= 40
        assert set(style.ink.text) <= set(Alphabet().characters)
        hands[name] = measure(style.ink)
    for name, hand in hands.items():
        assert min(hand.distance(other) for n, other in hands.items() if n != name) > 1.0, name


# --- measures ------------------------------------------------------------------------------------------


def ladder(slant=0.0, width=1.0, n=10) -> Ink:
    """Letters l of two x-heights, each one stroke."""
    strokes = [[(k * width + 2 * slant, -2), (k * width, 0)] for k in range(n)]
    return Ink.from_strokes(strokes, "l" * n)


def test_measures_of_plain_strokes():
    assert measure(ladder()) == pytest.approx(Measure(0, 0.9, 1, 0, 2, 0), abs=1e-6)
    assert measure(ladder(slant=0.3)).slant == pytest.approx(0.3, abs=1e-6)
    assert measure(ladder(width=2.0)).width == pytest.approx(1.8)
    square = Ink.from_strokes([[(0, 0), (1, 0), (1, -1), (0, -1)]], " o")
    assert measure(square).turning == pytest.approx(np.pi) and measure(square).width == 1.0
    # It goes through the angle of 180 degrees.
    around = Ink.from_strokes([[(0, 0), (-1, 0.1), (-2, 0), (-1, -0.1)]], "o")
    assert measure(around).turning < 4.0


def test_the_distance_of_hands_is_in_their_own_variation():
    one, other = measure(ladder()), measure(ladder(slant=0.3))
    assert one.distance(one) == 0 and one.distance(other) == other.distance(one) > 2
    assert one.distance(measure(ladder(slant=0.01))) < 0.5


@pytest.mark.parametrize("text", [None, "", "  "])
def test_measuring_needs_text(text):
    with pytest.raises(ValueError, match="ink.text is"):
        measure(Ink.from_strokes([[(0, 0), (1, 1)]], text))
