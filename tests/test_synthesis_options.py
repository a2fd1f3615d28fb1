"""The options of writing are checked in one place, and the flags of the command are made from them."""

import argparse
import inspect
import math
from dataclasses import fields

import pytest

from strokesynth import Ink, Synthesizer
from strokesynth.cli._flags import Exclusive, add_flags, check_exclusive, default
from strokesynth.synthesis.options import WritingOptions
from strokesynth.synthesis.pages import write_page
from strokesynth.synthesis.proofread import Proofreader
from strokesynth.synthesis.style import Style


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bias": -1.0}, "bias is -1.0; expected a finite number of at least 0"),
        ({"bias": math.nan}, "bias is nan"),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0"),
        ({"seed": True}, "seed is True"),
        ({"on_unsupported": "ignore"}, "on_unsupported is 'ignore'; expected error, skip, replace"),
        ({"style": "nobody"}, "there is no style 'nobody'"),
        ({"style": 7}, "a Style or Ink, not int"),
        ({"proofread": "yes"}, "proofread is True, False or a Proofreader, not 'yes'"),
        ({"candidates": 3}, "candidates go with proofread=True, not with False"),
        ({"proofread": Proofreader(), "limit": 0.2, "candidates": 2}, "candidates and limit go with"),
        ({"proofread": True, "candidates": 0}, "candidates is 0; expected a whole number of at least 1"),
        ({"proofread": True, "limit": -0.1}, "limit is -0.1; expected a number of nats"),
    ],
)
def test_what_cannot_be_used(options, message):
    with pytest.raises(ValueError, match=message):
        WritingOptions(**options)


def test_the_style_that_is_meant():
    ink = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0]], [[1.0, -0.5], [1.5, 0.1]]], "Ab")
    assert WritingOptions().hand is None
    assert WritingOptions(style="plain").hand == Style.of("plain")
    options = WritingOptions(style=ink)
    assert options.hand.ink is ink and options.keywords()["style"] is ink


@pytest.mark.parametrize(
    "method", [Synthesizer.write, Synthesizer.write_lines, Synthesizer.trace, write_page]
)
def test_methods_have_the_defaults_of_the_options(method):
    defaults = {field.name: field.default for field in fields(WritingOptions)}
    if method is write_page:
        defaults["proofread"] = True
    parameters = inspect.signature(method).parameters
    shared = {name: p.default for name, p in parameters.items() if name in defaults}
    assert {"bias", "style", "seed", "on_unsupported"} <= set(shared)
    assert shared == {name: defaults[name] for name in shared}


def test_flags_are_those_of_the_options():
    parser = argparse.ArgumentParser()
    add_flags(parser.add_argument_group("writing"), WritingOptions, seed={"type": float})
    given = "--bias 0.5 --style plain --seed 3 --on-unsupported skip --candidates 2 --limit 0.1".split()
    args = vars(parser.parse_args(given))
    assert args["seed"] == 3.0 and isinstance(args["seed"], float)
    args["seed"] = 3
    assert WritingOptions(**args, proofread=True).keywords("one_hand", "proofread") == {
        "bias": 0.5,
        "style": "plain",
        "seed": 3,
        "on_unsupported": "skip",
        "candidates": 2,
        "limit": 0.1,
    }
    assert WritingOptions(**vars(parser.parse_args([]))) == WritingOptions()


def test_exclusive_arguments(capsys):
    parser = argparse.ArgumentParser("do")
    parser.add_argument("text", nargs="?")
    parser.add_argument("--page-number", type=int)
    rules = [Exclusive(lambda args: args.text is not None, ("page_number",), "text or {flag}")]
    check_exclusive(parser, parser.parse_args(["a"]), rules)
    check_exclusive(parser, parser.parse_args(["--page-number", "0"]), rules)
    with pytest.raises(SystemExit, match="2"):
        check_exclusive(parser, parser.parse_args(["a", "--page-number", "0"]), rules)
    assert "do: error: text or --page-number" in capsys.readouterr().err


def test_the_default_of_a_parameter():
    assert default(Synthesizer.write_freely, "points") == 700
