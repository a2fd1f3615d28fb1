"""Styles are saved and read whole, refused when they are none, and told apart by measure."""

import json

import numpy as np
import pytest
from makers import ladder

from strokesynth import Ink
from strokesynth.synthesis.measures import measure
from strokesynth.synthesis.style import COMMON_WIDTH, Style, packaged_network, styles

INK = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0.125]], [[1.0, -0.5], [1.5, 0.1]]], "Äb")


def test_save_and_load(tmp_path):
    style = Style("mine", INK, bias=1.5)
    style.save(tmp_path / "mine.json")
    read = Style.load(tmp_path / "mine.json")
    assert (read.name, read.ink, read.bias, read.posterior) == ("mine", INK, 1.5, None)
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
        (changed(version=3), "a style of version 3; this package reads versions 1 and 2"),
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
        (("x",), "has neither ink nor a posterior"),
        (("x", INK, None, None, -1), "strength of a style is a number from 0 to 10, got -1"),
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
    assert len(styles()) >= 24
    assert set(styles()) >= {
        "plain",
        "narrow",
        "wide",
        "easy",
        "backhand",
        "brisk",
        "steep",
        "round",
        "flowing",
    }
    vectors = []
    for name in styles():
        style = Style.of(name)
        assert style.name == name and 20 <= len(style.ink.text) <= 40
        assert style.posterior.space == packaged_network().style_space
        vectors.append(np.concatenate([style.posterior.hand, style.posterior.characters.ravel()]))
    unit = np.array(vectors) - np.mean(vectors, axis=0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert (unit @ unit.T - 2 * np.eye(len(unit))).max() < 0.9  # no two are one hand


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
