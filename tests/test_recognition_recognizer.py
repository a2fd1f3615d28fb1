"""The recogniser with an untrained network, and with frames made by hand where it matters what is read."""

import json
import math

import numpy as np
import pytest
import torch
from makers import save_recognition, save_synthesis, stacked, writing

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.ink.normalize import normalize
from strokesynth.nn.weights import load_weights
from strokesynth.recognition import decoding, recognizer
from strokesynth.recognition.features import trace
from strokesynth.recognition.language_model import LanguageModel
from strokesynth.recognition.recognizer import Recognizer, load_recognizer
from strokesynth.recognition.segmentation import FeatureRows, owners, spans


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors")


@pytest.fixture(scope="module")
def reader(weights):
    return load_recognizer(weights)


def turned(ink, degrees):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return ink.transform([[c, -s, 0.0], [s, c, 0.0]])


def spy(text, ink, stride=4):
    """A network's answer: log-probabilities of the characters of `text`, one at the middle of each stroke."""
    rows = trace(normalize(Ink(ink.strokes)))
    frames = -(-len(rows.points) // stride)
    probabilities = np.full((frames, 96), 1e-4)
    probabilities[:, 0] = 1.0
    for stroke, c in enumerate(text):
        own = np.flatnonzero((rows.strokes == stroke) & (rows.features[:, 4] == 0))
        frame = round(own[len(own) // 2] / stride)
        probabilities[frame] = 1e-4
        probabilities[frame, Alphabet().encode(c)[0]] = 1.0
    return torch.from_numpy(np.log(probabilities / probabilities.sum(1, keepdims=True))).float()


@pytest.fixture
def reads(reader, monkeypatch):
    """Let the network answer with what `spy` says."""

    def call(text, ink, **options):
        answer = spy(text, ink)
        monkeypatch.setattr(reader, "_network", lambda traces: (answer[:, None], [len(answer)]))
        return reader.read(ink, **options)

    return call


# --- reading --------------------------------------------------------------------------------------------


def test_a_reading_is_its_text(reads):
    reading = reads("Ada", writing(3))
    assert str(reading) == reading.text == "Ada"
    assert 0.9 < reading.confidence <= 1 and reading.alternatives == ()


def test_the_text_of_the_ink_is_not_looked_at(reader):
    ink = writing()
    assert reader.read(ink) == reader.read(Ink(ink.strokes, "IBM 1984"))


def test_greedy_and_confidence_are_those_of_ctc(reader):
    ink = writing(12)
    log_probs, positions = reader.posteriors(ink)
    assert log_probs.shape == (len(positions), 96)
    reading = reader.read(ink)
    text = Alphabet().decode(decoding.greedy(log_probs))
    assert reading.text == " ".join(text.split()) and len(reading.text) > 2
    codes = Alphabet().encode(reading.text)
    likelihood = decoding.ctc_log_likelihood(log_probs, codes)
    assert math.log(reading.confidence) == pytest.approx(likelihood / len(codes), abs=1e-5)
    assert reader.log_likelihood(ink, reading.text) == pytest.approx(likelihood, abs=1e-4)
    assert reader.log_likelihood(ink, "a" * 500) == -math.inf


def test_positions_are_the_frames_of_normalised_ink(reader):
    ink = writing(5).scale(30.0).translate(100, -50)
    _, positions = reader.posteriors(ink)
    left, top, right, bottom = normalize(ink).bounds
    assert positions[0] == pytest.approx(normalize(ink).strokes[0][0], abs=0.3)
    assert (positions.min(0) >= [left - 0.01, top - 0.01]).all() and (
        positions.max(0) <= [right + 0.01, bottom + 0.01]
    ).all()


def test_lines_together_are_read_as_one_by_one(reader):
    inks = [writing(n, seed=n) for n in (9, 3, 14, 3, 20, 6, 11)]
    together = reader.read_lines(inks)
    for ink, reading in zip(inks, together, strict=True):
        alone = reader.read(ink)
        assert reading.text == alone.text
        assert reading.confidence == pytest.approx(alone.confidence, abs=1e-4)
    likelihoods = reader.log_likelihoods(inks, ["ab"] * len(inks))
    assert likelihoods == pytest.approx([reader.log_likelihood(ink, "ab") for ink in inks], abs=1e-3)
    assert reader.read_lines([]) == []


def test_batches_are_bounded_and_in_order(reader, monkeypatch):
    monkeypatch.setattr(recognizer, "_BATCH_ROWS", 300)
    monkeypatch.setattr(recognizer, "_CHUNK", 10)
    inks = [writing(2 + i % 7, seed=i) for i in range(43)]
    shapes = []
    network = reader._network

    def watched(traces):
        shapes.append((len(traces), max(len(t.points) for t in traces)))
        return network(traces)

    monkeypatch.setattr(reader, "_network", watched)
    readings = reader.read_lines(inks)
    assert sum(count for count, _ in shapes) == len(inks)
    assert all(count == 1 or count * longest <= 300 for count, longest in shapes)
    assert max(count for count, _ in shapes) > 1
    assert [r.text for r in readings] == [reader.read(ink).text for ink in inks]


@pytest.mark.parametrize("scale", [0.02, 50.0])
def test_unit_and_place_do_not_matter(reader, scale):
    ink = writing(10)
    moved = ink.scale(scale).translate(700 * scale, -900 * scale)
    text = reader.posteriors(ink).log_probs
    assert np.abs(np.exp(reader.posteriors(moved).log_probs) - np.exp(text)).max() < 0.02


def test_normalised_ink_is_taken_as_it_is(reader):
    ink = normalize(writing(6))
    log_probs = reader.posteriors(ink, normalized=True).log_probs
    assert len(log_probs) == -(-len(trace(ink).points) // 4)
    assert reader.read(ink, normalized=True).characters is not None
    low = ink.translate(0.0, 3.0)
    assert np.abs(reader.posteriors(low, normalized=True).log_probs - log_probs).max() > 0.01


# --- searching ------------------------------------------------------------------------------------------


def test_alternatives_differ_and_are_ranked(reader):
    reading = reader.read(writing(6), alternatives=3)
    texts = [reading.text, *(text for text, _ in reading.alternatives)]
    assert len(texts) == len(set(texts)) == 4
    assert all(text == " ".join(text.split()) for text in texts)
    likelihoods = [reader.log_likelihood(writing(6), text) for text in texts]
    assert likelihoods == sorted(likelihoods, reverse=True)
    for (text, confidence), likelihood in zip(reading.alternatives, likelihoods[1:], strict=True):
        assert confidence == pytest.approx(math.exp(likelihood / max(1, len(text))), abs=1e-5)


def test_a_search_finds_no_less_likely_text_than_the_best_path(reader):
    ink = writing(9, seed=5)
    best, searched = reader.read(ink).text, reader.read(ink, beam=64).text
    assert reader.log_likelihood(ink, searched) >= reader.log_likelihood(ink, best) - 1e-6


def test_language_model(reader, monkeypatch):
    """It decides where the network does not, and not where that is sure."""
    model = LanguageModel.train(["wool", "tool", "fool"] * 20, order=3)
    ink, answer = writing(4), spy("wodl", writing(4))
    d, o = Alphabet().encode("do")
    unsure = answer.clone()
    frame = int(answer[:, d].argmax())
    unsure[frame, [d, o]] = torch.tensor([0.55, 0.45]).log()
    monkeypatch.setattr(reader, "_network", lambda traces: (unsure[:, None], [len(unsure)]))
    assert reader.read(ink).text == reader.read(ink, beam=8).text == "wodl"
    assert reader.read(ink, language_model=model).text == "wool"
    assert reader.read(ink, language_model=model, weight=0.0).text == "wodl"
    monkeypatch.setattr(reader, "_network", lambda traces: (answer[:, None], [len(answer)]))
    assert reader.read(ink, language_model=model).text == "wodl"


def test_language_model_from_a_file(weights, tmp_path):
    model = LanguageModel.train(["zzz zz zzzz"] * 20, order=3)
    model.save(tmp_path / "model.npz")
    given = load_recognizer(weights, language_model=tmp_path / "model.npz")
    led = given.read(writing(), language_model=True, weight=2.0)
    assert led == given.read(writing(), language_model=model, weight=2.0)
    assert led.text != given.read(writing()).text


# --- characters -----------------------------------------------------------------------------------------


def test_a_character_for_each_stroke(reads):
    ink = writing(5).scale(30.0).translate(-40.0, 12.0)
    reading = reads("Hello", ink)
    assert reading.text == "Hello"
    for k, character in enumerate(reading.characters):
        assert character.text == "Hello"[k] and character.confidence > 0.9
        assert character.spans == ((k, 0, 24),)
        assert character.box == pytest.approx(Ink.from_strokes([ink.strokes[k]]).bounds)


def test_every_point_has_one_character(reader):
    ink = writing(14, seed=3).scale(7.0)
    seen = [np.zeros(len(s), int) for s in ink.strokes]
    reading = reader.read(ink)
    assert "".join(c.text for c in reading.characters) == reading.text
    for character in reading.characters:
        assert (character.box is None) == (not character.spans)
        if character.text == " ":
            assert character.spans == ()
        for stroke, start, stop in character.spans:
            assert start < stop
            seen[stroke][start:stop] += 1
    assert all((s == 1).all() for s in seen)


def rows_of(strokes, air=2):
    """A row at every point, and some on the way between strokes."""
    points, of, up = [], [], []
    for i, stroke in enumerate(strokes):
        if i:
            way = np.linspace(strokes[i - 1][-1], stroke[0], air + 2)[1:-1]
            points, of, up = [*points, *way], [*of, *[i] * air], [*up, *[True] * air]
        points, of, up = [*points, *stroke], [*of, *[i] * len(stroke)], [*up, *[False] * len(stroke)]
    return FeatureRows(np.array(points, np.float32), np.array(of, np.int32), np.array(up))


def test_a_stroke_is_cut_between_its_characters():
    stroke = np.column_stack([np.arange(30.0), np.zeros(30)])
    owner = owners([stroke], rows_of([stroke]), np.array([5, 15, 24]))
    # Halfway: 10 and 19.5.
    assert np.flatnonzero(np.diff(owner[0])) + 0.5 == pytest.approx([10, 19.5], abs=1.0)
    assert spans(owner, 1)[0][:1] == (0,) and spans(owner, 7) == ()


def test_a_dense_stroke_is_cut_at_the_same_place():
    stroke = np.column_stack([np.arange(30.0), np.zeros(30)])
    dense = np.column_stack([np.linspace(0, 29, 2901), np.zeros(2901)])
    owner = owners([dense], rows_of([stroke]), np.array([5, 15]))
    (cut,) = np.flatnonzero(np.diff(owner[0]))
    assert dense[cut, 0] == pytest.approx(10.0, abs=0.05)


def test_a_dot_goes_to_the_letter_below_it():
    """An i and an l are written, then the dot of the i, then another letter."""
    i, ell = np.array([[0.0, -1], [0, -0.5], [0, 0]]), np.array([[1.0, -2], [1, -1], [1, 0]])
    dot, far = np.array([[0.1, -1.6]]), np.array([[3.0, -1], [3, 0]])
    strokes = [i, ell, dot, far]
    rows = rows_of(strokes)
    places = np.array([np.flatnonzero((rows.strokes == k) & ~rows.air)[0] for k in (0, 1, 3)])
    owner = owners(strokes, rows, places)
    assert [o[0] for o in owner] == [0, 1, 0, 2]


def test_characters_of_a_long_line(reads):
    text = "".join(map(chr, range(33, 123)))
    reading = reads(text, writing(90))
    assert reading.text == text
    assert [c.spans for c in reading.characters] == [((k, 0, 24),) for k in range(90)]


def test_more_characters_than_points():
    stroke = np.array([[0.0, 0.0], [1.0, 0.0]])
    owner = owners([stroke], rows_of([stroke]), np.array([0, 0, 1, 1]))
    assert len(owner[0]) == 2 and (np.diff(owner[0]) >= 0).all()


def test_a_page_is_read_line_by_line(reader):
    with pytest.raises(ValueError, match="several lines of writing.*read_page"):
        reader.read(stacked())
    readings = reader.read_page(stacked())
    alone = [reader.read(writing(20, k)) for k in range(3)]
    assert [r.text for r in readings] == [r.text for r in alone]
    assert str(readings) == readings.text == "\n".join(r.text for r in alone)
    logs = sum(len(r.text) * math.log(r.confidence) for r in alone)
    assert readings.confidence == pytest.approx(
        math.exp(logs / len(readings.text.replace("\n", ""))), rel=1e-3
    )


def test_the_spans_of_a_page_count_in_its_own_strokes(reader):
    page, alone = stacked(), [reader.read(writing(20, k)) for k in range(3)]
    order = np.random.default_rng(1).permutation(
        len(page.strokes)
    )  # lines were not written one after another
    readings = reader.read_page(
        Ink.from_strokes([page.strokes[i] for i in np.sort(order.reshape(20, 3)).ravel()])
    )
    mixed = np.sort(order.reshape(20, 3)).ravel()
    assert len(readings) == 3
    for number, reading in enumerate(readings):
        owners = {stroke for c in reading.characters for stroke, _, _ in c.spans}
        assert owners == set(np.flatnonzero(mixed // 20 == number).tolist())
    in_order = reader.read_page(page)
    for number, (reading, expected) in enumerate(zip(in_order, alone, strict=True)):
        for found, own in zip(reading.characters, expected.characters, strict=True):
            assert found.text == own.text
            assert found.spans == tuple((20 * number + i, start, stop) for i, start, stop in own.spans)
    found = in_order.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert [line["text"] for line in found["lines"]] == [r.text for r in in_order]
    assert [c["line"] for c in found["characters"]] == [k for k, r in enumerate(in_order) for _ in r.text]
    assert found["alternatives"] == []
    single = reader.read_page(writing(), alternatives=2).to_dict()
    assert single["alternatives"] == single["lines"][0]["alternatives"] and len(single["alternatives"]) == 2


# --- alignment ------------------------------------------------------------------------------------------


def test_the_points_of_a_line_belong_to_characters_of_its_text(reader):
    ink, text = writing(14, seed=3).scale(7.0), "two words"
    (found,) = reader.align([ink], [text])
    assert [len(of) for of in found.characters] == [len(stroke) for stroke in ink.strokes]
    owners = np.concatenate(found.characters)
    assert set(owners.tolist()) <= {k for k, c in enumerate(text) if c != " "}  # a blank has no ink
    assert {0, len(text) - 1} <= set(owners.tolist())
    assert found.nll == pytest.approx(-reader.log_likelihood(ink, text) / len(text), rel=1e-6)


def test_a_character_for_each_stroke_whatever_was_read(reader, monkeypatch):
    ink = writing(5)
    answer = spy("Hello", ink)
    monkeypatch.setattr(reader, "_network", lambda traces: (answer[:, None], [len(answer)]))
    (found,) = reader.align([ink], ["Hello"])
    assert [set(of.tolist()) for of in found.characters] == [{k} for k in range(5)]
    assert 0 < found.nll < 0.1
    (other,) = reader.align([ink], ["Hexlo"])  # the third is there, though it was read as another
    assert [set(of.tolist()) for of in other.characters] == [{k} for k in range(5)]
    assert other.nll > found.nll + 1


def test_what_was_read_is_aligned_as_its_characters_are(reader):
    inks = [writing(n, seed=n) for n in (14, 3, 9)]
    readings = reader.read_lines(inks)
    aligned = reader.align(inks, [r.text for r in readings])
    for ink, reading, alignment in zip(inks, readings, aligned, strict=True):
        expected = [np.full(len(stroke), -1) for stroke in ink.strokes]
        for k, character in enumerate(reading.characters):
            for stroke, start, stop in character.spans:
                expected[stroke][start:stop] = k
        assert all((a == b).all() for a, b in zip(alignment.characters, expected, strict=True))


def test_ink_that_cannot_say_its_text(reader):
    short = Ink.from_strokes([[[0.0, -0.5], [0.6, -0.5]]])
    found = reader.align([short, writing(), writing()], ["far too long for a dash", " ", ""])
    assert found == [None, None, None]
    with pytest.raises(ValueError, match="1 inks and 2 texts"):
        reader.align([writing()], ["a", "b"])
    with pytest.raises(ValueError, match="'é'"):
        reader.align([writing()], ["café"])
    with pytest.raises(ValueError, match="ink 1 of the list: .*no extent"):
        reader.align([writing(), Ink.from_strokes([[[0, 0]]])], ["a", "b"])
    assert reader.align([], []) == []


@pytest.mark.parametrize("strokes", [[[[3, 4]]], [[[1, 1], [1, 1], [1, 1]]], [[[1, 1]], [[1, 1]]]])
def test_ink_without_extent(reader, strokes):
    with pytest.raises(ValueError, match="no extent"):
        reader.read(Ink.from_strokes(strokes))


def test_ink_too_long(reader):
    zigzag = np.column_stack([0.35 * np.arange(40_000) % 60, np.arange(40_000) % 2])
    with pytest.raises(ValueError, match="expected at most"):
        reader.read(Ink.from_strokes([zigzag]))


def test_many_points_of_one_stroke(reader):
    t = np.linspace(0, 1, 100_000)
    ink = Ink.from_strokes([np.column_stack([20 * t, np.sin(60 * t)])])
    assert 0 <= reader.read(ink).confidence <= 1
    assert len(reader.read(ink).characters) == len(reader.read(ink).text)


@pytest.mark.parametrize(
    "change",
    [
        lambda ink: turned(ink, 90),
        lambda ink: turned(ink, 180),
        lambda ink: turned(ink, 30),
        lambda ink: ink.scale(-1, 1),
        lambda ink: ink.scale(1, 1e-4),
        lambda ink: ink.scale(1e-4, 1),
    ],
)
def test_odd_ink_is_read_somehow(reader, change):
    reading = reader.read(change(writing(9)))
    assert 0 <= reading.confidence <= 1 and math.isfinite(reading.confidence)
    assert len(reading.characters) == len(reading.text)


def test_which_of_many_inks_is_wrong(reader):
    with pytest.raises(ValueError, match="ink 1 of the list: .*no extent"):
        reader.read_lines([writing(), Ink.from_strokes([[[0, 0]]])])
    with pytest.raises(ValueError, match="ink 1 of the list: expected Ink, got str"):
        reader.read_lines([writing(), "ink.svg"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam is 0"),
        ({"beam": 2.5}, "beam is 2.5"),
        ({"alternatives": -1}, "alternatives is -1"),
        ({"alternatives": True}, "alternatives is True"),
        ({"weight": math.nan}, "weight is nan"),
        ({"weight": -1.0}, "weight is -1.0"),
        ({"language_model": "english"}, "language_model is True, False or a LanguageModel"),
        ({"language_model": LanguageModel.train(["ab"], 2, alphabet=Alphabet("ab"))}, "another alphabet"),
    ],
)
def test_bad_options(reader, options, message):
    with pytest.raises(ValueError, match=message):
        reader.read(writing(), **options)


def test_bad_calls(reader):
    with pytest.raises(ValueError, match="inks is a list"):
        reader.read_lines(writing())
    with pytest.raises(ValueError, match="2 inks and 1 texts"):
        reader.log_likelihoods([writing()] * 2, ["a"])
    with pytest.raises(ValueError, match="'é'"):
        reader.log_likelihood(writing(), "café")


def test_loading(tmp_path, weights):
    with pytest.raises(FileNotFoundError, match="no weights file"):
        load_recognizer(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match="weights of recognition; these are of conditional_handwriting"):
        load_recognizer(save_synthesis(tmp_path / "synthesis.safetensors"))
    with pytest.raises(ValueError, match="device 'abacus' cannot be used"):
        load_recognizer(weights, device="abacus")
    with pytest.raises(FileNotFoundError, match="no language model"):
        load_recognizer(weights, language_model=tmp_path / "none.npz").read(writing(), language_model=True)
    assert Recognizer(load_weights(weights)).note == "untrained"
