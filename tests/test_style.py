"""Styles are saved and read whole, refused when they are none, and told apart by measure."""

import json

import numpy as np
import pytest

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.style import COMMON_WIDTH, Measure, Style, measure, styles

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
    said = Style.from_ink(Ink.from_strokes(ink.strokes, "m" * 12), "n" * 12, bias=2.5)
    assert (said.ink.text, said.bias, style.bias) == ("n" * 12, 2.5, None)
    with pytest.raises(ValueError, match="ink.text is None"):
        Style.from_ink(ink)
    with pytest.raises(ValueError, match="text is what the ink says, a str, not int"):
        Style.from_ink(ink, 5)


def test_what_stands_for_a_style():
    style = Style("mine", INK)
    assert Style.of(style) is style and Style.of(INK).ink is INK and Style.of(INK).bias is None
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


# --- upright -------------------------------------------------------------------------------------------


def test_upright_takes_slant_and_width_off_and_the_map_gives_them_back():
    """Downstrokes that lean to the right become vertical, at distances divided by the stretch."""
    ink = ladder(slant=0.3, width=1.5)
    upright, there = Style("x", ink).upright
    stretch = (9 * 1.5 + 2 * 0.3) / 10 / COMMON_WIDTH
    for k, (plain, stroke) in enumerate(zip(upright.strokes, ink.strokes, strict=True)):
        np.testing.assert_allclose(plain[:, 0], k * 1.5 / stretch, atol=1e-5)
        np.testing.assert_allclose(plain[:, 1], stroke[:, 1], atol=1e-6)
    np.testing.assert_allclose(there, [[stretch, -0.3, 0], [0, 1, 0]], atol=1e-6)
    for back, stroke in zip(upright.transform(there).strokes, ink.strokes, strict=True):
        np.testing.assert_allclose(back, stroke, atol=1e-5)
    assert measure(upright).slant == pytest.approx(0, abs=1e-5) and upright.text == ink.text


@pytest.mark.parametrize(
    ("slant", "width", "expected"),
    [
        (0.0, 1.05 * 10 / 9, (1.0, 0.0)),
        (-0.25, (1.05 * 10 - 0.5) / 9, (1.0, -0.25)),
        (1.2, 0.9, (1.0, 0.8)),
        (-1.2, 0.9, (1.0, -0.8)),
        (0.0, 3.9, (1.8, 0.0)),
        (0.0, 0.3, (1 / 1.8, 0.0)),
    ],
)
def test_only_so_much_slant_and_stretch_is_taken_off(slant, width, expected):
    _, there = Style("x", ladder(slant, width)).upright
    assert there[0, 1] == pytest.approx(-expected[1], abs=1e-6)
    assert there[1].tolist() == [0.0, 1.0, 0.0] and there[0, 2] == 0.0
    assert there[0, 0] == pytest.approx(expected[0], rel=1e-5)


def test_a_few_letters_do_not_tell_a_hand():
    nine = Ink.from_strokes(ladder(0.3, 1.5, n=9).strokes, "lll lll lll")  # blanks are no letters
    style = Style("x", nine)
    assert style.upright[0] == nine and style.upright[1].tolist() == [[1, 0, 0], [0, 1, 0]]
    ten = Style("x", ladder(0.3, 1.5, n=10))
    assert ten.upright[0] != ten.ink


def box(width=1.0, top=-1.0, bottom=0.0, points=2, text="ab"):
    """One stroke from the top left to the bottom right."""
    t = np.linspace(0, 1, points)
    return Ink.from_strokes([np.column_stack([width * t, top + (bottom - top) * t])], text)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"top": -7.9}, {"top": -8.0}),
        ({"top": -3.9, "bottom": 4.0}, {"top": -4.1, "bottom": 4.0}),
        ({"top": -7.9, "bottom": -0.05}, {"top": -5.0, "bottom": -3.1}),
        ({"top": 3.9, "bottom": 4.0}, {"top": 3.9, "bottom": 4.2}),
        ({"width": 11.9}, {"width": 12.1}),
        ({"points": 79}, {"points": 81}),
        ({"points": 119, "text": "abc"}, {"points": 121, "text": "abc"}),
    ],
)
def test_the_bounds_of_normalised_ink(good, bad):
    assert Style("x", box(**good)).name == "x"
    with pytest.raises(ValueError, match="not normalised ink"):
        Style("x", box(**bad))


def test_the_bounds_of_bias():
    for bias in (0, 0.0, 100, 100.0):
        assert Style("x", INK, bias).bias == bias
    for bias in (-0.01, 100.5):
        with pytest.raises(ValueError, match="a number from 0 to 100"):
            Style("x", INK, bias)


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
    around = Ink.from_strokes(
        [[(0, 0), (-1, 0.1), (-2, 0), (-1, -0.1)]], "o"
    )  # through the angle of 180 degrees
    assert measure(around).turning < 4.0


def test_slant_is_that_of_downstrokes_alone():
    """A joined zigzag: down along (-0.2, 2), up along (1, -2), with a level stroke in between now and then."""
    points, strokes = [np.array([0.0, -2.0])], []
    for _ in range(6):
        points += [points[-1] + (-0.2, 2.0)]
        points += [points[-1] + (1.0, -2.0)]
    strokes = [np.array(points), np.array([[0, -1], [5, -1.1]]), np.array([[0, 0], [4.0, 1.0]])]
    assert measure(Ink.from_strokes(strokes, "n" * 12)).slant == pytest.approx(0.1, abs=1e-6)


def test_proportions_are_percentiles():
    y = np.linspace(-2, 1, 101)
    found = measure(Ink.from_strokes([np.column_stack([0 * y, y])], "abc def"))
    assert (found.ascent, found.descent) == pytest.approx((1.91, 0.94), abs=1e-6)
    assert found.lifts == pytest.approx(1 / 6)
    ink = Ink.from_strokes([[(0, 0), (1, -1)], [(5, 0), (6, -1)], [(2, 0), (2, 0)]], " ab cd\t")
    assert (measure(ink).width, measure(ink).lifts) == pytest.approx((6 / 5, 3 / 4))


def test_turning_counts_both_ways():
    t = np.linspace(0, 2 * np.pi, 101)
    eight = np.concatenate(
        [np.column_stack([np.sin(t), 1 - np.cos(t)]), -np.column_stack([-np.sin(t), 1 - np.cos(t)])[1:]]
    )
    assert measure(Ink.from_strokes([eight], "ab")).turning == pytest.approx(2 * np.pi, rel=0.02)


def test_the_unit_of_distance():
    """The square root of the mean over six numbers, each in deviations of its own."""
    one = Measure(0.1, 1.0, 1.0, 4.0, 1.8, 0.5)
    for k, spread in enumerate((0.06, 0.12, 0.13, 0.7, 0.13, 0.35)):
        values = list(one)
        values[k] += 2 * spread
        assert one.distance(Measure(*values)) == pytest.approx(2 / np.sqrt(6))


def test_the_distance_of_hands_is_in_their_own_variation():
    one, other = measure(ladder()), measure(ladder(slant=0.3))
    assert one.distance(one) == 0 and one.distance(other) == other.distance(one) > 2
    assert one.distance(measure(ladder(slant=0.01))) < 0.5


@pytest.mark.parametrize("text", [None, "", "  "])
def test_measuring_needs_text(text):
    with pytest.raises(ValueError, match="ink.text is"):
        measure(Ink.from_strokes([[(0, 0), (1, 1)]], text))
