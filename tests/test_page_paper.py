"""Sizes, margins and rules, by hand-worked examples."""

import numpy as np
import pytest

from strokesynth.page.paper import PAPERS, Paper


@pytest.mark.parametrize(
    ("size", "orientation", "expected"),
    [
        ("A4", "portrait", (210.0, 297.0)),
        ("a5", "portrait", (148.0, 210.0)),
        ("LETTER", "portrait", (215.9, 279.4)),
        ("Legal", "landscape", (355.6, 215.9)),
        ((100, 50), "portrait", (100.0, 50.0)),
        ((100, 50), "landscape", (100.0, 50.0)),
        ((50, 100), "landscape", (100.0, 50.0)),
    ],
)
def test_sizes(size, orientation, expected):
    paper = Paper.of(size, orientation=orientation)
    assert (paper.width, paper.height) == expected


def test_iso_papers_halve():
    # Cut across, a sheet gives two of the next size; ISO 216 rounds down to whole millimetres.
    for larger, smaller in (("A3", "A4"), ("A4", "A5"), ("A5", "A6")):
        (w, h), half = PAPERS[larger], PAPERS[smaller]
        assert half == (h // 2, w)


def test_margins_go_round_from_the_top_and_are_mirrored_on_even_sheets():
    paper = Paper.of((100, 80), margins=(1, 2, 3, 40), mirrored=True)
    assert paper.area(1) == paper.area(3) == (40, 1, 98, 77)
    assert paper.area(2) == (2, 1, 60, 77)
    assert Paper.of((100, 80), margins=(1, 2, 3, 40)).area(2) == (40, 1, 98, 77)
    assert Paper.of((100, 80), margins=5).area(1) == (5, 5, 95, 75)
    assert Paper.of((100, 80), margins=0).area(1) == (0, 0, 100, 80)


def test_ruled_paper():
    paper = Paper.of((100, 80), margins=(10, 5, 15, 20), ruling="ruled", pitch=7, margin_line=True)
    rules = paper.rules()
    assert rules[:, 0, 1].tolist() == rules[:, 1, 1].tolist() == [17, 24, 31, 38, 45, 52, 59]
    assert (rules[:, :, 0] == [0, 100]).all()
    assert paper.margin_rule(1).tolist() == [[[17, 0], [17, 80]]]
    assert [paper.next_rule(y) for y in (0, 17, 17.1, 24, 58.9)] == [17, 17, 24, 24, 59]


def test_a_grid_covers_the_sheet():
    rules = Paper.of((20, 16), margins=1, ruling="grid", pitch=5).rules().tolist()
    assert rules == [
        *([[0, y], [20, y]] for y in (5, 10, 15)),
        *([[x, 0], [x, 16]] for x in (5, 10, 15)),
    ]


def test_blank_paper_takes_writing_anywhere():
    paper = Paper.of()
    assert len(paper.rules()) == len(paper.margin_rule(1)) == 0 and paper.next_rule(3.21) == 3.21


def test_baselines_are_on_rules():
    rng = np.random.default_rng(0)
    for ruling in ("ruled", "grid"):
        paper = Paper.of(margins=rng.uniform(5, 30, 4), ruling=ruling, pitch=rng.uniform(4, 12))
        lines = paper.rules()
        rules = lines[lines[:, 0, 1] == lines[:, 1, 1], 0, 1]
        for y in rng.uniform(0, rules[-1], 50):
            np.testing.assert_allclose(paper.next_rule(y), rules[rules >= y][0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": "B9"}, r"paper is A3, A4, .* or \(width, height\) in mm; got 'B9'"),
        ({"size": 210}, "paper is A3"),
        ({"size": (1, 2, 3)}, "paper is A3"),
        ({"size": (0, 100)}, "the width of the paper must be a finite number above 0; got 0"),
        ({"size": (100, float("nan"))}, "the height of the paper"),
        ({"size": (100, 1e6)}, "sizes are in millimetres"),
        ({"orientation": "upright"}, "orientation is portrait or landscape; got 'upright'"),
        ({"margins": -1}, "a margin must be a finite number of at least 0; got -1"),
        ({"margins": (1, 2)}, r"one number of mm, or \(top, right, bottom, left\)"),
        ({"margins": "wide"}, "one number of mm"),
        (
            {"margins": (20, 120, 20, 90)},
            "margins of 90 and 120 mm leave nothing of the width of paper of 210",
        ),
        ({"margins": (200, 20, 97, 20)}, "margins of 200 and 97 mm leave nothing of the height"),
        ({"ruling": "dotted"}, "ruling is blank, ruled or grid; got 'dotted'"),
        ({"ruling": "ruled", "pitch": -8}, "the pitch of the rules must be a finite number above 0; got -8"),
        ({"ruling": "grid", "pitch": 0.01}, "at least 1 mm; got 0.01"),
    ],
)
def test_bad_paper(options, message):
    with pytest.raises(ValueError, match=message):
        Paper.of(options.pop("size", "A4"), **options)
