import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from makers import save_prediction, save_synthesis

from strokesynth import Ink, load_synthesizer
from strokesynth.alphabet import Alphabet
from strokesynth.nn.sampling import SampledLine
from strokesynth.synthesis import session
from strokesynth.synthesis.pieces import cut_pieces
from strokesynth.synthesis.session import ATTEMPTS, SynthesisError
from strokesynth.synthesis.style import Style, styles
from strokesynth.synthesis.synthesizer import DEFAULT_BIAS

ROOT = Path(__file__).resolve().parents[1]
STYLE = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0]], [[1.0, -0.5], [1.5, 0.1]]], "Ab")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def writer(folder):
    return load_synthesizer(
        save_synthesis(folder / "synthesis.safetensors"),
        unconditional=save_prediction(folder / "prediction.safetensors"),
    )


def owners(ink):
    return np.concatenate(ink.characters)


# --- one line ----------------------------------------------------------------------------------------


def test_ink_is_normalised_and_knows_its_text(writer):
    ink = writer.write("It’s a – b", seed=3)
    assert ink.text == "It's a - b"
    assert ink.bounds[0] == 0.0
    assert {ink.text[i] for i in owners(ink)} <= set("It'sa-b")  # never a blank


def test_same_seed_same_ink_in_a_new_process(writer, folder):
    program = f"""
import sys, strokesynth
from strokesynth.ink.json_npz import to_json
writer = strokesynth.load_synthesizer({str(folder / "synthesis.safetensors")!r})
sys.stdout.buffer.write(to_json(writer.write("Dear Ada,", seed=2**70 + 5)))
sys.stdout.buffer.write(to_json(writer.write_lines(["x", "Dear Ada,", "yes, dear"], seed=5)[1]))
"""
    from strokesynth.ink.json_npz import to_json

    writer.write("something else before", seed=1)
    expected = to_json(writer.write("Dear Ada,", seed=2**70 + 5))
    expected += to_json(writer.write_lines(["x", "Dear Ada,", "yes, dear"], seed=5)[1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, cwd=ROOT)
    assert done.stdout == expected


def test_seeds_matter(writer):
    assert writer.write("Ada", seed=1) == writer.write("Ada", seed=1)
    assert writer.write("Ada", seed=1) != writer.write("Ada", seed=2)
    assert writer.write("Ada") != writer.write("Ada")
    assert writer.write("Ada", seed=np.int64(1)) == writer.write("Ada", seed=1)


def test_bias_is_1_unless_given(writer):
    assert writer.write("Ada", seed=1) == writer.write("Ada", seed=1, bias=DEFAULT_BIAS)
    assert writer.write("Ada", seed=1) != writer.write("Ada", seed=1, bias=0)


def test_lines_of_a_batch_are_independent(writer):
    one = writer.write_lines(["first", "second line", "third"], seed=4)
    other = writer.write_lines(["something longer", "second line"], seed=4)
    assert [ink.text for ink in one] == ["first", "second line", "third"]
    for a, b in zip(one[1].strokes, other[1].strokes, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    same, again = writer.write_lines(["twice", "twice"], seed=4)
    assert same.strokes[0].tolist() != again.strokes[0].tolist()
    assert writer.write_lines([]) == []


def test_trace_has_the_window_behind_every_point(writer):
    ink, window = writer.trace("Dear Ada", seed=2)
    assert ink == writer.write("Dear Ada", seed=2)
    assert window.shape == (ink.n_points, len("Dear Ada") + 1)
    letters = window[:, :-1].copy()
    letters[:, 4] = -1.0  # the blank
    assert np.array_equal(letters.argmax(1), owners(ink))


# --- long lines --------------------------------------------------------------------------------------


def test_five_thousand_characters(writer):
    text = ("The quick brown fox jumps over a lazy dog, " * 120)[:5000]
    ink = writer.write(text, seed=1)
    assert ink.text == text and ink.bounds[0] == 0.0
    owner = owners(ink)
    pieces = cut_pieces(0, text)
    edges = [piece.start for piece in pieces[1:]]
    part = np.searchsorted(edges, owner, side="right")
    assert np.array_equal(np.unique(part), np.arange(len(pieces)))
    assert np.all(np.diff(part) >= 0)  # one after the other …
    x = np.concatenate(ink.strokes)[:, 0]
    for before, after in zip(range(len(pieces)), range(1, len(pieces))):  # … and side by side
        gap = x[part == after].min() - x[part == before].max()
        assert gap == pytest.approx(pieces[after].gap, abs=1e-3)


def test_pieces_go_on_in_one_hand(writer, monkeypatch):
    monkeypatch.setattr(session, "collapsed", lambda line: False)  # untrained networks scribble
    calls = spy(monkeypatch)
    text = "word " * 40
    writer.write(text, seed=1)
    (first,), others = calls[0]["texts"], calls[1]["texts"]
    assert calls[0]["prime"] is None
    assert calls[1]["prime"] == first
    assert len(others) == len(cut_pieces(0, text)) - 1


def spy(monkeypatch):
    """What `sample_lines` is called with, as text."""
    calls = []
    alphabet = Alphabet()
    real = session.sample_lines

    def sample_lines(network, codes, seeds, *, bias, prime=None, styles=None):
        primed = None if prime is None else alphabet.decode(prime[1])
        calls.append({"texts": [alphabet.decode(c) for c in codes], "seeds": seeds, "prime": primed})
        return real(network, codes, seeds, bias=bias, prime=prime)

    monkeypatch.setattr(session, "sample_lines", sample_lines)
    return calls


# --- style -------------------------------------------------------------------------------------------


def test_style_primes_every_piece(writer, monkeypatch):
    calls = spy(monkeypatch)
    inks = writer.write_lines(["one", "two " * 20], style=STYLE, seed=1)
    assert {call["prime"] for call in calls} == {"Ab"}
    assert [ink.text for ink in inks] == ["one", "two " * 20]
    assert [ink.bounds[0] for ink in inks] == [0.0, 0.0]


def test_style_changes_the_writing_and_keeps_the_baseline(writer):
    plain, primed = writer.write("one", seed=1), writer.write("one", style=STYLE, seed=1)
    assert plain != primed and primed == writer.write("one", style=STYLE, seed=1)
    # It does not matter where on the line the style was written …
    moved = writer.write("one", style=STYLE.translate(64.0, 0.0), seed=1)
    np.testing.assert_allclose(primed.to_offsets(), moved.to_offsets(), atol=1e-3)
    # … and the first point is a step of the pen away from where the style ends, which is y = 0.1.
    last = Ink.from_strokes([*STYLE.strokes[:-1], STYLE.strokes[-1] + [0.0, 1.0]], "Ab")
    lower = writer.write("one", style=last, seed=1)
    assert lower.strokes[0][0, 1] > primed.strokes[0][0, 1] + 0.3


def test_lines_in_one_hand_follow_the_longest(writer, monkeypatch):
    calls = spy(monkeypatch)
    inks = writer.write_lines(["Dear Ada,", "thank you for the letter.", "Yours"], seed=1, one_hand=True)
    assert [ink.text for ink in inks] == ["Dear Ada,", "thank you for the letter.", "Yours"]
    assert [call["texts"] for call in calls] == [["thank you for the letter."], [" Dear Ada,", " Yours"]]
    assert calls[1]["prime"] == "thank you for the letter."


@pytest.mark.parametrize(
    ("style", "message"),
    [
        (Ink.from_strokes(STYLE.strokes), "ink.text is None"),
        (Ink.from_strokes(STYLE.strokes, "漢b"), "style: .*'漢'"),
        ("no such", "there is no style 'no such'; there are "),
        (7, "a name of styles.., a Style or Ink, not int"),
        (STYLE.scale(20.0), r"not normalised ink: it is 22 high, from -20 to 2"),
        (STYLE.translate(0.0, 300.0), "not normalised ink"),
        (Ink.from_strokes([np.linspace([0, 0], [1, -1], 100)], "A"), "100 points a character"),
    ],
)
def test_styles_that_cannot_be_used(writer, style, message):
    with pytest.raises(ValueError, match=message):
        writer.write("one", style=style)


def test_a_style_is_given_by_name_itself_or_as_ink(writer, monkeypatch):
    calls = spy(monkeypatch)
    name = styles()[0]
    own = Style.of(name)
    assert writer.write("one", style=name, seed=1) == writer.write("one", style=own, seed=1)
    assert calls[0]["prime"] == own.ink.text and calls[0]["texts"] == [" one"]
    assert writer.write("one", style=Style("mine", STYLE), seed=1) == writer.write("one", style=STYLE, seed=1)


def test_a_style_may_have_a_bias(writer):
    neat = Style("neat", STYLE, bias=3.0)
    assert writer.write("one", style=neat, seed=1) == writer.write("one", style=STYLE, bias=3.0, seed=1)
    assert writer.write("one", style=neat, bias=0, seed=1) == writer.write("one", style=STYLE, bias=0, seed=1)


def test_accents_in_the_text_of_a_style(writer, monkeypatch):
    calls = spy(monkeypatch)
    writer.write("one", style=Ink.from_strokes(STYLE.strokes, "Ä\u00a0b"), seed=1)
    assert calls[0]["prime"] == "A b"


# --- any text ----------------------------------------------------------------------------------------


def test_accented_text(writer):
    text = "naïve Čapek"
    plain, ink = writer.write("naive Capek", seed=3), writer.write(text, seed=3)
    assert ink.text == text and {ink.text[i] for i in owners(ink)} == set("naïveČapek")
    # What the network writes is the same, but for a dot that gives way to the marks.
    marked = ink.n_points - sum((owners(ink) == i).sum() for i, c in enumerate(text) if c in "ïČ")
    assert marked == plain.n_points - sum((owners(plain) == i).sum() for i, c in enumerate(text) if c in "ïČ")
    assert ink == writer.write("nai\u0308ve C\u030capek", seed=3)
    traced, window = writer.trace(text, seed=3)
    assert traced == ink and window.shape == (ink.n_points, len(text) + 1)


def test_unsupported_characters(writer):
    with pytest.raises(ValueError, match="'漢' .*at position 4"):
        writer.write("one 漢", seed=1)
    with pytest.warns(UserWarning, match="left out: '漢'"):
        assert writer.write("one漢", seed=1, on_unsupported="skip") == writer.write("one", seed=1)
    with pytest.warns(UserWarning, match="replaced: line 2: '→'"):
        inks = writer.write_lines(["one", "a→b"], seed=1, on_unsupported="replace")
    assert inks[1].text == "a->b"


# --- lines that run away ---------------------------------------------------------------------------------


def failing(monkeypatch, text, times):
    """`sample_lines` that does not finish `text` so many times; returns the seeds with which it was tried."""
    real, seen = session.sample_lines, []
    wanted = Alphabet().encode(text, with_end=True).tolist()

    def sample_lines(network, codes, seeds, **options):
        lines = real(network, codes, seeds, **options)
        for i, (code, seed) in enumerate(zip(codes, seeds, strict=True)):
            if code.tolist() == wanted:
                seen.append(seed)
                lines[i] = lines[i]._replace(finished=len(seen) > times)
        return lines

    monkeypatch.setattr(session, "sample_lines", sample_lines)
    return seen


def test_a_line_that_ran_away_is_tried_again(writer, monkeypatch):
    plain = writer.write_lines(["good", "bad", "fine"], seed=1)
    seen = failing(monkeypatch, "bad", ATTEMPTS - 1)
    inks = writer.write_lines(["good", "bad", "fine"], seed=1)
    assert len(set(seen)) == ATTEMPTS
    assert (inks[0], inks[2]) == (plain[0], plain[2]) and inks[1] != plain[1]
    assert inks[1].text == "bad"


def test_a_line_that_always_runs_away_is_an_error(writer, monkeypatch):
    seen = failing(monkeypatch, "bad", ATTEMPTS)
    with pytest.raises(SynthesisError, match="did not come to the end of 'bad' in 5 attempts"):
        writer.write_lines(["good", "bad"], seed=1)
    assert len(seen) == ATTEMPTS


def test_a_window_that_stands_still_is_an_error(tmp_path):
    writer = load_synthesizer(save_synthesis(tmp_path / "still.safetensors", advance=1e-6))
    with pytest.raises(SynthesisError, match="'no'"):
        writer.write("no", seed=1)


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("   ", "only blanks"),
        ("na→ve", r"'→' .* at position 2: write '->' instead"),
        ("two\nlines", "write each line by itself"),
        (None, "a str, not NoneType"),
    ],
)
def test_texts_that_cannot_be_written(writer, text, message):
    with pytest.raises(ValueError, match=message):
        writer.write(text)
    with pytest.raises(ValueError, match=f"line 2: .*{message}"):
        writer.write_lines(["good", text])


def test_a_string_is_not_a_list_of_lines(writer):
    with pytest.raises(ValueError, match="not one string"):
        writer.write_lines("Dear Ada")


@pytest.mark.parametrize("bias", [-0.1, float("nan"), float("inf"), "strong"])
def test_bad_bias(writer, bias):
    for write in (lambda: writer.write("a", bias=bias), lambda: writer.write_freely(bias=bias)):
        with pytest.raises(ValueError, match="bias is .*expected a finite number of at least 0"):
            write()


@pytest.mark.parametrize("seed", [-1, 1.5, True, "7"])
def test_bad_seed(writer, seed):
    with pytest.raises(ValueError, match="seed is .*expected a whole number"):
        writer.write("a", seed=seed)


# --- without a text ----------------------------------------------------------------------------------


def test_free_writing(writer):
    ink = writer.write_freely(100, seed=3)
    assert 100 <= ink.n_points <= 150 and ink.text is None and ink.bounds[0] == 0.0
    assert ink == writer.write_freely(points=100, seed=3) != writer.write_freely(100, seed=4)
    assert ink != writer.write_freely(100, seed=3, bias=0.0)


@pytest.mark.parametrize("points", [0, -5, 10**9, 1.5, None])
def test_bad_points(writer, points):
    with pytest.raises(ValueError, match="points is"):
        writer.write_freely(points)


# --- weights -----------------------------------------------------------------------------------------


def test_weights_are_of_the_right_task(folder, writer):
    with pytest.raises(ValueError, match="of styled_handwriting or conditional_handwriting; .*unconditional"):
        load_synthesizer(folder / "prediction.safetensors")
    crossed = load_synthesizer(
        folder / "synthesis.safetensors", unconditional=folder / "synthesis.safetensors"
    )
    with pytest.raises(ValueError, match="needs weights of unconditional_handwriting"):
        crossed.write_freely(10)


def test_missing_weights(folder, writer):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_synthesizer(folder / "nowhere.safetensors")
    one = load_synthesizer(folder / "synthesis.safetensors", unconditional=folder / "nowhere.safetensors")
    assert one.write("only text", seed=1).text == "only text"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        one.write_freely(10)


def test_devices_that_are_not_there(folder):
    with pytest.raises(ValueError, match="device 'abacus' cannot be used here"):
        load_synthesizer(folder / "synthesis.safetensors", device="abacus")


def sampled(advances: list[float]) -> SampledLine:
    """A line of one point a character, each `advances` x-heights from the one before."""
    offsets = np.zeros((len(advances), 3), np.float32)
    offsets[:, 0] = advances
    offsets[-1, 2] = 1.0
    window = np.eye(len(advances), len(advances) + 1, dtype=np.float32)
    return SampledLine(offsets, np.arange(len(advances)), window, True)


def test_a_collapsed_line_is_written_again_and_kept_if_that_does_not_help(monkeypatch, writer):
    tried = []

    def collapse(network, codes, seeds, **_):
        tried.append(tuple(seeds))
        good = len(tried) == 3
        return [sampled([1.0 if good else 0.1] * (len(c) - 1)) for c in codes]

    monkeypatch.setattr("strokesynth.synthesis.session.sample_lines", collapse)
    ink = writer.write("abcdefghijklm", seed=1)
    assert len(tried) == 3 and len(set(tried)) == 3 and ink.bounds[2] > 10
    tried[:] = [()] * 3  # from now on all attempts collapse
    ink = writer.write("abcdefghijklm", seed=1)
    assert len(tried) == 3 + ATTEMPTS and ink.bounds[2] < 2
