"""From a text to sheets and files; with a typewriter in place of the network, so that every width is known."""

import itertools
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from makers import Typewriter

from strokesynth import Ink, load_synthesizer
from strokesynth.ink.words import split_words
from strokesynth.page.layout import Layout, Paragraph
from strokesynth.page.page import Page, check_page_output
from strokesynth.page.paper import Paper
from strokesynth.synthesis import pages as pages_module
from strokesynth.synthesis.pages import even_pieces, write_page

TEXT = "The quick brown fox jumps over the lazy dog, then it sleeps until evening.\n\nAnd so do I,\n  Ada"
A6 = Paper.of("A6")
RULED = Paper.of("A6", margins=10, ruling="ruled")
LAYOUT = Layout.of(A6)


@pytest.fixture
def typewriter(monkeypatch):
    """No bundled styles: the typewriter has one hand."""
    monkeypatch.setattr(pages_module, "styles", lambda: [])
    return Typewriter()


@pytest.fixture
def short(typewriter):
    return write_page(typewriter, "Dear Ada,\n\nthank you.", paper="A6", seed=1)


@pytest.fixture
def long(typewriter):
    return write_page(
        typewriter,
        "one two three four\n" * 11,
        paper=(60, 50),
        margins=8,
        ruling="ruled",
        pitch_mm=7.5,
        seed=1,
    )


# --- writing -------------------------------------------------------------------------------------------


def test_every_word_is_written_once_and_in_order(typewriter):
    rng = np.random.default_rng(2)
    text = "\n\n".join(
        " ".join("abcdefghijkl"[: rng.integers(1, 13)] for _ in range(rng.integers(1, 40))) for _ in range(6)
    )
    pages = write_page(typewriter, text, paper="A6", margins=10, seed=1)
    assert " ".join(pages.text.split()) == " ".join(text.split())
    hand, *batches = typewriter.batches
    assert len(hand) == 1
    assert " ".join(itertools.chain(*batches)) == " ".join(text.split())
    assert len(batches) == 1 and max(map(len, batches[0])) < pages_module.PAGE_PIECE_LENGTH + 12


def test_long_texts_are_written_in_batches_of_one_hand(typewriter, monkeypatch):
    monkeypatch.setattr(pages_module, "_BATCH", 3)
    styles, seeds, told = [], [], []

    def write_lines(texts, **options):
        styles.append(options["style"])
        seeds.append(options["seed"])
        return Typewriter.write_lines(typewriter, texts, **options)

    monkeypatch.setattr(typewriter, "write_lines", write_lines)
    hand = Ink.from_strokes([[[0, 0], [1, -1]]], "l")
    text = "one two three four five six " * 30
    pages = write_page(typewriter, text, style=hand, seed=3, progress=lambda *done: told.append(done))
    assert len(styles) > 3 and all(style is hand for style in styles) and len({*seeds}) == len(seeds)
    done, totals = zip(*told, strict=True)
    assert len({*totals}) == 1 and list(done) == sorted({*done}) and done[-1] == totals[0]
    assert " ".join(pages.text.split()) == " ".join(text.split())


def test_pieces_are_about_equally_long():
    rng = np.random.default_rng(0)
    for _ in range(30):
        words = ["x" * n for n in rng.integers(1, 15, rng.integers(1, 200))]
        pieces = even_pieces(words, 40)
        lengths = [len(piece) for piece in pieces]
        assert " ".join(pieces).split() == words and all(pieces)
        assert max(lengths) <= 40 + 15 and (len(pieces) == 1 or np.ptp(lengths) <= 2 * 15)


def test_words_the_network_joins_are_written_by_themselves(typewriter, monkeypatch):
    def write_lines(texts, **options):
        typed = Typewriter.write_lines(typewriter, texts, **options)
        return [
            ink
            if " " not in ink.text
            else Ink.from_strokes([np.concatenate(ink.strokes)], ink.text, [np.concatenate(ink.characters)])
            for ink in typed
        ]

    monkeypatch.setattr(typewriter, "write_lines", write_lines)
    pages = write_page(typewriter, TEXT, seed=1)
    assert typewriter.batches[-1] == TEXT.split()
    assert " ".join(pages.text.split()) == " ".join(TEXT.split())


def test_the_same_seed_writes_the_same_page(typewriter):
    def strokes(**options):
        return write_page(typewriter, TEXT, **options)[0].strokes

    one, same, other = strokes(seed=4), strokes(seed=4), strokes(seed=5)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0]) and not np.array_equal(strokes()[0], strokes()[0])


def test_without_a_style_the_seed_chooses_a_bundled_one(typewriter, monkeypatch):
    monkeypatch.setattr(pages_module, "styles", lambda: ["plain", "round", "wide"])
    chosen = set()

    def write_lines(texts, **options):
        chosen.add(options["style"])
        return Typewriter.write_lines(typewriter, texts, **options)

    monkeypatch.setattr(typewriter, "write_lines", write_lines)
    for seed in range(20):
        write_page(typewriter, "Ada", seed=seed)
    assert chosen == {"plain", "round", "wide"}


def test_variation_is_of_the_page_and_not_of_the_ink(typewriter):
    plain = write_page(typewriter, TEXT, variation=0, seed=1)[0].lines[0]
    typed = Typewriter().write_lines(typewriter.batches[-1], seed=None)[0]  # other widths, the same heights
    assert split_words(plain.ink)[0].points[:, 1] == pytest.approx(split_words(typed)[0].points[:, 1])
    varied = write_page(typewriter, TEXT, seed=1)[0].lines[0]
    assert split_words(varied.ink)[0].points[:, 1] != pytest.approx(split_words(plain.ink)[0].points[:, 1])


# --- text ----------------------------------------------------------------------------------------------


def test_text_is_spelled_before_it_is_written(typewriter):
    pages = write_page(typewriter, "“naïve”\u00a0– it’s…", seed=1)
    assert pages.text == '"naïve" - it\'s...'


def test_characters_that_cannot_be_written(typewriter):
    with pytest.raises(ValueError, match=r"line 3: .*'字' .*at position 2"):
        write_page(typewriter, "fine\n\nno字")
    assert not typewriter.batches  # found before the work
    with pytest.raises(ValueError, match="'\\\\x07'"):
        write_page(typewriter, "bell\x07")
    with pytest.warns(UserWarning, match="were left out: line 1: '字'.*; line 2: nothing is left"):
        assert write_page(typewriter, "no字\n字", on_unsupported="skip").text == "no"
    with pytest.raises(ValueError, match="nothing is left to write"):
        write_page(typewriter, "字", on_unsupported="skip")
    with pytest.raises(ValueError, match="on_unsupported is 'drop'; expected error, skip, replace"):
        write_page(typewriter, "a", on_unsupported="drop")


def test_a_page_that_can_be_written_warns_of_nothing(typewriter):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        page = write_page(typewriter, TEXT, on_unsupported="skip")
    assert seen == [] and page.text.split() == TEXT.split()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paper": "B9"}, "paper is A3"),
        ({"margins": 120}, "leave nothing of the width"),
        ({"ruling": "ruled", "pitch_mm": -8}, "the pitch of the rules must be"),
        ({"line_pitch_mm": 0}, "the pitch of lines"),
        ({"x_height_mm": 90}, "there is no room for letters"),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"bias": -1.0}, "bias is -1.0"),
        ({"layout": "justify"}, "layout is a Layout or None, not str"),
        ({"layout": replace(LAYOUT, variation=9.0)}, "variation is from 0, none, to 5; got 9"),
        ({"paper": replace(A6, ruling="lined")}, "ruling is blank, ruled or grid; got 'lined'"),
        ({"text": "\n\n"}, "nothing to write"),
        ({"text": b"bytes"}, "a str, not int"),
    ],
)
def test_bad_options_are_found_before_the_work(typewriter, options, message):
    with pytest.raises(ValueError, match=message):
        write_page(typewriter, options.pop("text", "Ada"), **options)
    assert not typewriter.batches


def test_paper_and_layout_as_objects(typewriter):
    named = write_page(
        Typewriter(), TEXT, paper="A6", margins=10, ruling="ruled", align="justify", indent_mm=5, seed=1
    )
    layout = Layout.of(RULED, align="justify", indent=5.0)
    assert pictures(write_page(Typewriter(), TEXT, paper=RULED, layout=layout, seed=1)) == pictures(named)
    # What is said besides comes first.
    other = write_page(
        Typewriter(), TEXT, paper=RULED, layout=replace(layout, align="left"), align="justify", seed=1
    )
    assert pictures(other) == pictures(named)
    turned = write_page(Typewriter(), TEXT, paper=RULED, orientation="landscape", seed=1)[0].paper
    assert (turned.width, turned.height, turned.ruling) == (RULED.height, RULED.width, "ruled")


def pictures(page):
    return [sheet._repr_svg_() for sheet in page]


def test_an_unknown_option_of_a_page(typewriter):
    with pytest.raises(TypeError, match="unexpected keyword argument 'ruled'"):
        write_page(typewriter, TEXT, ruled=True)
    assert not typewriter.batches


# --- sheets --------------------------------------------------------------------------------------------


def test_a_page_is_its_sheets(long):
    assert isinstance(long, Page) and len(long) == len(list(long)) == 3
    assert [sheet.number for sheet in long] == [1, 2, 3]
    assert repr(long) == "<Page of 3 sheets 60 x 50 mm, 11 lines>"
    assert long.text == "\n".join(["one two three four"] * 11)
    assert long[0].paper.ruling == "ruled" and long[0].x_height == pytest.approx(0.29 * 7.5)


def test_ink_of_a_sheet_is_in_x_heights(short):
    (sheet,) = short
    ink = sheet.ink
    assert ink.text == sheet.text == "Dear Ada,\nthank you."
    assert ink.bounds[0] == 0
    first = sheet.lines[0]
    scale, place = sheet.x_height, np.array([min(line.left for line in sheet.lines), first.baseline])
    for ours, mm in zip(ink.strokes, sheet.strokes, strict=True):
        np.testing.assert_allclose(ours * scale + place, mm, atol=1e-4)
    said = [ink.text[own[0]] for own in ink.characters]
    assert "".join(said) == "DearAda,thankyou."


def test_strokes_are_those_of_the_lines(short):
    (sheet,) = short
    strokes = [stroke for line in sheet.lines for stroke in line.strokes]
    assert all(np.array_equal(a, b) for a, b in zip(strokes, sheet.strokes, strict=True))
    for line in sheet.lines:
        assert line.ink.bounds[0] == 0 and line.ink.text == line.text
        box = np.concatenate(line.strokes)
        np.testing.assert_allclose(box[:, 0].min(), line.left)
        np.testing.assert_allclose(
            box.max(axis=0),
            np.array(line.ink.bounds[2:]) * line.x_height + (line.left, line.baseline),
            rtol=1e-6,
        )


# --- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".svg", ".png", ".json", ".npz", ".inkml"])
def test_several_sheets_are_numbered(short, long, suffix, tmp_path):
    assert short.save(tmp_path / f"a{suffix}") == [tmp_path / f"a{suffix}"]
    files = long.save(tmp_path / f"b{suffix}")
    assert files == [tmp_path / f"b-{k}{suffix}" for k in (1, 2, 3)]
    assert {*tmp_path.iterdir()} == {tmp_path / f"a{suffix}", *files}
    before = [file.read_bytes() for file in files]
    assert len({*before}) == 3
    long.save(tmp_path / f"b{suffix}")
    assert [file.read_bytes() for file in files] == before


def test_numbers_sort(typewriter, tmp_path):
    many = write_page(typewriter, "a\f" * 12, paper=(30, 30), margins=5, seed=1)
    assert [file.name for file in many.save(tmp_path / "a.svg")] == [f"a-{k:02}.svg" for k in range(1, 13)]


@pytest.mark.parametrize("suffix", [".json", ".npz", ".inkml"])
def test_ink_files_are_the_ink(short, suffix, tmp_path):
    (file,) = short.save(tmp_path / f"a{suffix}")
    ink, expected = Ink.load(file), short[0].ink
    assert ink.text == expected.text and len(ink.strokes) == len(expected.strokes)
    for ours, theirs in zip(ink.strokes, expected.strokes, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf", ".json"])
def test_all_files_or_none(long, suffix, tmp_path, monkeypatch):
    (tmp_path / f"a-1{suffix}").write_text("before")
    sheet = long.sheets[2]
    object.__setattr__(sheet, "lines", ())  # cannot be drawn or saved
    monkeypatch.setattr("strokesynth.page.page.Sheet.text", property(lambda self: self.lines[0].text))
    with pytest.raises((IndexError, ValueError)):
        long.save(tmp_path / f"a{suffix}")
    assert [file.name for file in tmp_path.iterdir()] == [f"a-1{suffix}"]
    assert (tmp_path / f"a-1{suffix}").read_text() == "before"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "a.gif",
            {},
            r"a page can be written to .svg, .png, .pdf, .inkml, .json, .npz; the suffix here is '.gif'",
        ),
        ("a", {}, "the suffix here is ''"),
        ("a.svg", {"colour": "red"}, r"pages are drawn with the options .*not \['colour'\]"),
        ("a.json", {"color": "red"}, "ink is saved without options"),
        ("a.png", {"dpi": 0}, "dpi must be"),
        ("a.png", {"dpi": 1e5}, "lower dpi"),
        ("a.pdf", {"stroke_width_mm": -1}, "stroke_width_mm must be"),
        ("folder.svg", {}, "it is a folder"),
    ],
)
def test_bad_files(short, tmp_path, name, options, message):
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ValueError, match=message):
        short.save(tmp_path / name, **options)
    assert [file.name for file in tmp_path.iterdir()] == ["folder.svg"]


def test_outputs_are_checked_beforehand(tmp_path):
    assert check_page_output(tmp_path / "a.PDF") == ".pdf"
    with pytest.raises(ValueError, match="'.gif'"):
        check_page_output("a.gif")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        check_page_output(tmp_path / "none" / "a.svg")


# --- the network ---------------------------------------------------------------------------------------


def test_a_page_of_real_writing(tmp_path):
    heading = Paragraph("Naïve?", align="center", scale=1.3)
    pages = load_synthesizer().write_page(
        [heading, "By a network."], paper="A6", ruling="ruled", align="justify", seed=2, bias=2.0
    )
    (sheet,) = pages
    assert " ".join(sheet.text.split()) == "Naïve? By a network."
    area = sheet.paper.area(1)
    points = np.concatenate(sheet.strokes)
    assert (points.min(axis=0) >= np.array([area.left, area.top]) - 1e-3).all()
    assert (points.max(axis=0) <= np.array([area.right, area.bottom]) + 1e-3).all()
    (file,) = pages.save(tmp_path / "a.json")
    assert json.loads(Path(file).read_text())["text"] == sheet.text


def test_a_sheet_is_as_legible_as_its_lines(typewriter, monkeypatch):
    """Each piece was read; a sheet's legibility is the mean (geometric) over the characters of its words."""

    def write_lines(texts, **options):
        inks = Typewriter.write_lines(typewriter, texts, **options)
        return [replace(ink, legibility=0.5 if "thank" in ink.text else 0.9) for ink in inks]

    monkeypatch.setattr(pages_module, "PAGE_PIECE_LENGTH", 9)
    monkeypatch.setattr(typewriter, "write_lines", write_lines)
    (sheet,) = write_page(typewriter, "Dear Ada,\n\nthank you.", paper="A6", seed=1)
    assert [line.ink.legibility for line in sheet.lines] == [pytest.approx(0.9), pytest.approx(0.5)]
    assert sheet.ink.legibility == pytest.approx((0.9**8 * 0.5**9) ** (1 / 17))
    assert sheet.ink.text == "Dear Ada,\nthank you."
