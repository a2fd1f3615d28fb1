"""Where words go on paper, against slow and plain reckoning with known widths."""

import numpy as np
import pytest
from makers import type_line

from strokesynth.ink.words import even_gaps, split_words
from strokesynth.page.layout import Layout, Paragraph, fill, join, lay_out, read_passages, vary, wander
from strokesynth.page.paper import Paper

PAPER = Paper.of((100, 150), margins=10)


def typed(text, seed=0):
    return even_gaps(split_words(type_line(text, np.random.default_rng(seed))))


def laid_out(text, paper=PAPER, seed=0, **options):
    """The sheets of a text, with no variation unless it is asked for."""
    layout = Layout.of(paper, **{"variation": 0.0, **options})
    passages = read_passages(text, layout)
    words = [typed(passage.text, seed + k) for k, passage in enumerate(passages)]
    layout.check_room(passages, paper)
    return lay_out(passages, words, paper, layout, np.random.default_rng(0))


# --- reading -------------------------------------------------------------------------------------------


def passages(text, **options):
    return read_passages(text, Layout.of(PAPER, **options))


def test_blank_lines_end_paragraphs_and_line_breaks_stay():
    found = passages("\n\none\r\ntwo\n \nthree\n\n\n\nfour\rfive\n", indent=4, space=1.5)
    assert [(p.text, p.line, p.indent, p.space) for p in found] == [
        ("one", 3, 4.0, 1.5),
        ("two", 4, 0.0, 0.0),
        ("three", 6, 4.0, 1.5),
        ("four", 10, 4.0, 3.5),
        ("five", 11, 0.0, 0.0),
    ]


def test_paragraphs_have_a_blank_line_between_them_or_an_indent():
    assert passages("a\n\nb")[1].space == 1.0
    assert passages("a\n\nb", indent=5)[1].space == 0.0


def test_blanks_at_the_start_indent_a_line():
    found = passages("  two\n\tfour\nnone", x_height=2.0)
    assert [(p.text, p.indent) for p in found] == [("two", 4.0), ("four", 8.0), ("none", 0.0)]


def test_sheets_start_where_they_are_told():
    found = passages(["one\n\ftwo\fthree\n\f\nfour", Paragraph("five", new_page=True), "six"])
    assert [p.new_page for p in found] == [False, True, True, True, True, False]
    assert [p.line for p in found] == [1, 2, 2, 4, 5, 6]


def test_paragraphs_have_their_own_look():
    look = {"align": "right", "scale": 1.5, "indent": 2.0, "space_before": 3.0}
    first, second, third = passages([Paragraph("a\n\nb", **look), "c"], align="justify")
    assert (first.align, first.scale, first.indent, first.space) == ("right", 1.5, 2.0, 3.0)
    assert (second.align, second.scale, second.indent, second.space) == ("right", 1.5, 2.0, 1.0)
    assert (third.align, third.scale, third.indent, third.space) == ("justify", 1.0, 0.0, 1.0)


@pytest.mark.parametrize("text", ["", " \n\t\r\n \f", [], [""], "\u2028\u2029\x85"])
def test_nothing_to_write(text):
    with pytest.raises(ValueError, match="nothing to write"):
        passages(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [(7, "a str or a list of paragraphs, not int"), ([7], "a str, not int"), (None, "not NoneType")],
)
def test_other_texts(text, message):
    with pytest.raises(ValueError, match=message):
        passages(text)


# --- lines ---------------------------------------------------------------------------------------------


def filled_slowly(words, first, rest):
    """Greedy line breaking by trying every word on the line."""
    lines, line = [], []
    for word in words:
        longer = [*line, word]
        room = rest if lines else first
        if line and join(longer).bounds[2] > room:
            lines.append(line)
            line = [word]
        else:
            line = longer
    return [*lines, line]


def test_lines_take_as_many_words_as_go_on_them():
    rng = np.random.default_rng(1)
    for seed in range(8):
        text = " ".join("abcdefgh"[: rng.integers(1, 8)] for _ in range(30))
        words, (first, rest) = typed(text, seed), rng.uniform(8, 30, 2)
        found = [[word.text for word in line] for line in fill(words, first, rest)]
        assert found == [[word.text for word in line] for line in filled_slowly(words, first, rest)]


def test_long_words_are_broken_and_nothing_is_lost():
    text = "a Donaudampfschifffahrtsgesellschaft goes https://example.org/a/very/long/address by"
    words = typed(text)
    lines = fill(words, 6.0, 8.0)
    assert all(join(line).bounds[2] <= (8.0 if i else 6.0) + 1e-5 for i, line in enumerate(lines))
    written = "".join(word.text for line in lines for word in line)
    assert written.replace("-", "") == text.replace(" ", "")


def test_joined_words_are_one_ink():
    words = typed("ab cd e")
    ink = join(words, 0.25)
    assert ink.text == "ab cd e" and ink.bounds[0] == 0
    np.testing.assert_array_equal(np.concatenate(ink.characters), np.repeat([0, 1, 3, 4, 6], 6))
    width = sum(word.width for word in words) + sum(word.gap for word in words[1:]) + 2 * 0.25
    np.testing.assert_allclose(ink.bounds[2], width, rtol=1e-6)


# --- places --------------------------------------------------------------------------------------------

TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps until the evening comes again. " * 4


def edges(line):
    x = np.concatenate(line.strokes)[:, 0]
    return x.min(), x.max()


@pytest.mark.parametrize("align", ["left", "center", "right", "justify"])
def test_alignment(align):
    ((*lines, last),) = laid_out(TEXT, align=align, indent=6)
    for i, line in enumerate([*lines, last]):
        left, right = edges(line)
        start = 16 if i == 0 and align in ("left", "justify") else 10
        last_edge = {
            "left": right,
            "justify": right if line is last else 90,
            "center": 100 - left,
            "right": 90,
        }
        if align in ("left", "justify"):
            assert abs(left - start) < 1e-3
        assert abs(right - last_edge[align]) < 1e-3 and right < 90 + 1e-3
    assert edges(last)[1] - edges(last)[0] < 75


def test_justified_blanks_only_stretch():
    ((*justified, last),) = laid_out(TEXT, align="justify")
    ((*plain, plain_last),) = laid_out(TEXT, align="left")
    for line, other in zip(justified, plain, strict=True):
        assert line.text == other.text
        ours, theirs = split_words(line.ink), split_words(other.ink)
        stretch = np.array([a.gap - b.gap for a, b in zip(ours[1:], theirs[1:], strict=True)])
        assert stretch.min() > 0 and np.ptp(stretch) < 1e-4
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.points, b.points, atol=1e-4)
    assert last.ink == plain_last.ink


def test_the_line_before_a_break_is_not_stretched():
    ((first, second),) = laid_out("a b\nc d", align="justify")
    assert edges(first)[1] < 50 and edges(second)[1] < 50


def test_lines_on_blank_paper():
    (lines,) = laid_out("a\nb\n\nc\n\n\nd", x_height=2.0, line_pitch=7.0, space=0.5)
    assert [line.baseline for line in lines] == pytest.approx([14.4, 21.4, 31.9, 49.4])
    assert {line.x_height for line in lines} == {2.0}


def test_lines_on_rules():
    paper = Paper.of((100, 150), margins=10, ruling="ruled", pitch=8)
    (lines,) = laid_out([Paragraph("T", scale=1.3), "a\nb\n\nc", Paragraph("T", scale=2.0)], paper)
    assert [line.baseline for line in lines] == [18, 34, 42, 58, 82]
    assert [line.x_height for line in lines] == pytest.approx([2.32 * s for s in (1.3, 1, 1, 1, 2)])
    paper = Paper.of((100, 150), margins=12, ruling="grid", pitch=5)
    (lines,) = laid_out("a\nb\nc", paper)
    assert [line.baseline for line in lines] == [20, 30, 40]


def test_a_tall_line_starts_further_down():
    plain, tall = (typed(text) for text in ("ab", "ab"))
    tall = [word._replace(points=word.points * (1, 2)) for word in tall]
    layout = Layout.of(PAPER, x_height=2.0, variation=0)
    one = read_passages("ab", layout)
    for words, baseline in ((plain, 14.4), (tall, 18.0)):
        ((line,),) = lay_out(one, [words], PAPER, layout, np.random.default_rng(0))
        assert line.baseline == pytest.approx(baseline)
        assert np.concatenate(line.strokes)[:, 1].min() >= 10 - 1e-5


def test_sheets_are_filled_in_turn():
    paper = Paper.of((100, 60), margins=(10, 10, 10, 30), mirrored=True)
    sheets = laid_out("a\n" * 11, paper, x_height=2.0, line_pitch=10.0)
    assert [len(lines) for lines in sheets] == [4, 4, 3]
    assert [[line.left for line in lines] for lines in sheets] == [[30] * 4, [10] * 4, [30] * 3]
    for lines in sheets:
        assert [line.baseline for line in lines] == pytest.approx([14.4, 24.4, 34.4, 44.4][: len(lines)])
    assert [len(lines) for lines in laid_out("a\fb\n\fc", paper)] == [1, 1, 1]


# --- variation -----------------------------------------------------------------------------------------


def test_a_wandering_value_is_stationary():
    rng = np.random.default_rng(0)
    values = np.array([wander(60, 0.5, 10, rng) for _ in range(2000)])
    # Of a standard normal cut off at two deviations, by integration: variance 0.920.
    np.testing.assert_allclose(values.var(axis=0), 0.25 * 0.920, rtol=0.12)
    assert abs(values).max() <= 1.0
    assert 0.85 < np.corrcoef(values[:, 20], values[:, 21])[0, 1] < 0.93  # exp(-1/10) = 0.905
    assert abs(np.corrcoef(values[:, 0], values[:, 59])[0, 1]) < 0.1


def test_variation_is_small_and_can_be_turned_off():
    words = typed("many words of no meaning at all " * 20)
    rng = np.random.default_rng(0)
    assert vary(words, 0.0, rng) == words
    for word, other in zip(words, vary(words, 1.0, rng), strict=True):
        assert not np.array_equal(word.points, other.points)
        assert other.points[:, 0].min() == 0 and other.text == word.text
        assert abs(other.width / word.width - 1) < 0.25
        tops = word.points[:, 1].min(), other.points[:, 1].min()
        assert abs(tops[0] - tops[1]) < 0.08 + 0.03 * abs(tops[0]) + 1e-9
        assert abs(np.log(other.gap / word.gap)) <= 0.16 + 1e-9


@pytest.mark.parametrize("ruling", ["blank", "ruled", "grid"])
def test_nothing_leaves_its_margins_over_many_sheets(ruling):
    rng = np.random.default_rng(5)
    paper = Paper.of((90, 60), margins=(9, 12, 14, 21), mirrored=True, ruling=ruling)
    text = " ".join("thequickbrownfox"[: rng.integers(1, 14)] for _ in range(350))
    sheets = laid_out(text, paper, variation=1.0, align="justify")
    assert len(sheets) >= 20
    rules = paper.rules()
    for number, lines in enumerate(sheets, start=1):
        area = paper.area(number)
        points = np.concatenate([stroke for line in lines for stroke in line.strokes])
        assert points[:, 0].min() >= area.left - 1e-3 and points[:, 0].max() <= area.right + 1e-3
        assert points[:, 1].min() >= area.top - 1e-3 and points[:, 1].max() <= area.bottom + 1e-3
        for line in lines:
            if ruling != "blank":
                assert np.abs(rules[:, 0, 1] - line.baseline).min() < 1e-6
            # The feet of the typed letters without a tail stand on the baseline.
            feet = [
                s[:, 1].max()
                for s, c in zip(line.strokes, line.ink.characters, strict=True)
                if line.text[c[0]] not in "gjpqy"
            ]
            assert np.abs(np.array(feet) - line.baseline).max() < 0.5
    assert " ".join(line.text for lines in sheets for line in lines) == text


# --- options -------------------------------------------------------------------------------------------


def test_sizes_follow_the_paper():
    assert Layout.of(Paper.of()).x_height == 2.3
    ruled = Layout.of(Paper.of(ruling="ruled", pitch=10))
    assert (ruled.x_height, ruled.line_pitch) == (pytest.approx(2.9), 10)
    assert Layout.of(Paper.of(ruling="grid", pitch=5)).line_pitch == 10
    assert Layout.of(Paper.of(ruling="ruled"), x_height=4.0).line_pitch == 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"align": "middle"}, "align is left, center, right or justify; got 'middle'"),
        ({"x_height": 0}, "the x-height must be a finite number above 0"),
        ({"line_pitch": -8}, "the pitch of lines must be a finite number above 0; got -8"),
        ({"indent": -1}, "the indent must be"),
        ({"space": float("nan")}, "the space must be"),
        ({"variation": 50}, "variation is from 0, none, to 5; got 50"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        Layout.of(PAPER, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"align": "top"}, "align is left"),
        ({"scale": 0}, "scale must be"),
        ({"scale": 9}, "from 0.2 to 5; got 9"),
        ({"indent": -1}, "indent must be"),
        ({"space_before": -1}, "space_before must be"),
    ],
)
def test_bad_paragraphs(options, message):
    with pytest.raises(ValueError, match=message):
        Paragraph("a", **options)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a", {"x_height": 30}, "no room for letters of x-height 30 mm on lines of 80 mm"),
        ("a", {"indent": 78}, "on lines of 80 mm with an indent of 78 mm"),
        ([Paragraph("a", scale=5.0)], {"x_height": 9.0}, "no room for letters of x-height 45 mm"),
    ],
)
def test_no_room(text, options, message):
    with pytest.raises(ValueError, match=message):
        laid_out(text, **options)


def test_no_room_for_a_line():
    with pytest.raises(ValueError, match="no room for a line of x-height 2.3 mm between margins 6 mm apart"):
        laid_out("a", Paper.of((100, 26), margins=10))
