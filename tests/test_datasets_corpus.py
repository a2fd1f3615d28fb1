import numpy as np
import pytest

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import FORMAT, Corpus
from strokesynth.ink import Ink


def sample(text, n=5, writer="w1", split="trainset", source="iam", id="a", seed=0):
    rng = np.random.default_rng(seed)
    strokes = [rng.normal(0, 1, (n - 2, 2)), rng.normal(0, 1, (2, 2)) + [n, 0]]
    return Sample(Ink.from_strokes(strokes, text=text), Label(text, writer, split, source, id))


@pytest.fixture
def samples():
    return [
        sample("To be, or", 7, id="a", seed=1),
        sample('x = "y"\\n', 40, writer="w:2", split="testset_v", source="unipen-text", id="b", seed=2),
        sample("~", 4, writer="w3", source="composed", id="c", seed=3),
    ]


@pytest.fixture
def corpus(samples):
    return Corpus.from_samples(samples, "generation")


def test_round_trip(corpus, samples, tmp_path):
    corpus.save(tmp_path / "c.npz")
    again = Corpus.load(tmp_path / "c.npz")
    assert len(again) == 3 and again.task == "generation"
    for i, original in enumerate(samples):
        offsets = again.offsets(i)
        assert offsets.dtype == np.float32
        ink = Ink.from_offsets(offsets)
        assert [len(s) for s in ink.strokes] == [len(s) for s in original.ink.strokes]
        difference = np.concatenate(ink.strokes) - np.concatenate(original.ink.strokes)
        assert np.abs(difference).max() < 0.01
        assert (again.texts[i], again.writers[i], again.sources[i], again.splits[i], again.ids[i]) == (
            original.text,
            original.writer,
            original.source,
            original.split,
            original.id,
        )
    with np.load(tmp_path / "c.npz", allow_pickle=False) as archive:
        assert archive["offsets"].dtype == np.float16
        assert bytes(archive["text"]).decode() == "\n".join(s.text for s in samples)


def test_rounding_does_not_add_up():
    n = 5000
    offsets = np.zeros((n, 3), np.float32)
    offsets[:, 0] = 0.1003  # each alone would be rounded by 2.4e-5 the same way in float16
    offsets[:, 1] = np.random.default_rng(0).normal(0, 0.3, n)
    offsets[-1, 2] = 1
    corpus = Corpus.from_offsets([(sample("a").label, offsets)], "generation")
    error = np.cumsum(corpus.offsets(0)[:, :2].astype(float), 0) - np.cumsum(offsets[:, :2].astype(float), 0)
    assert np.abs(error).max() < 1e-3


def test_select(corpus):
    assert corpus.select().tolist() == [0, 1, 2]
    assert corpus.select(split="trainset").tolist() == [0, 2]
    assert corpus.select(split="trainset", source=["composed", "unipen-text"]).tolist() == [2]
    with pytest.raises(ValueError, match=r"no split dev.*testset_v, trainset"):
        corpus.select(split="dev")


def test_offsets_outside(corpus):
    assert np.array_equal(corpus.offsets(-1), corpus.offsets(2))
    with pytest.raises(IndexError, match="sample 3 of a corpus of 3"):
        corpus.offsets(3)


def test_text_must_be_one_line_of_ascii():
    for text in ("a\nb", "é"):
        with pytest.raises(ValueError, match="not printable ASCII"):
            Corpus.from_samples([sample(text)], "generation")
    with pytest.raises(ValueError, match="generation, recognition"):
        Corpus.from_samples([sample("a")], "art")


def test_empty_corpus(tmp_path):
    Corpus.from_samples([], "recognition").save(tmp_path / "c.npz")
    assert len(Corpus.load(tmp_path / "c.npz")) == 0


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no corpus at"):
        Corpus.load(tmp_path / "none.npz")


def test_foreign_files(tmp_path):
    path = tmp_path / "c.npz"
    path.write_bytes(b"hello, I am no archive")
    with pytest.raises(ValueError, match="not a corpus"):
        Corpus.load(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="not a corpus"):
        Corpus.load(path)
    np.savez(path, a=np.zeros(3))
    with pytest.raises(ValueError, match="not a corpus"):
        Corpus.load(path)
    np.savez(path, format=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="not a corpus"):
        Corpus.load(path)


def test_other_version(corpus, tmp_path):
    corpus.save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        arrays = dict(archive)
    arrays["format"] = np.int32(FORMAT + 1)
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(ValueError, match=f"version {FORMAT + 1}; this program reads version {FORMAT}"):
        Corpus.load(tmp_path / "c.npz")


@pytest.mark.parametrize("share", [0.3, 0.7, 0.98])
def test_cut_short(corpus, tmp_path, share):
    path = tmp_path / "c.npz"
    corpus.save(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match="cut short"):
        Corpus.load(path)


@pytest.mark.parametrize(
    "damage", [{"lengths": np.array([1, 2, 3], np.int32)}, {"text": np.frombuffer(b"a", np.uint8)}]
)
def test_arrays_that_do_not_fit(corpus, tmp_path, damage):
    corpus.save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        arrays = dict(archive) | damage
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(ValueError, match="c.npz is damaged"):
        Corpus.load(tmp_path / "c.npz")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row, column, name", [(0, 0, "a of iam"), (6, 2, "a of iam"), (7, 1, "b of unipen-text"),
                                               (46, 0, "b of unipen-text"), (50, 1, "c of composed")])  # fmt: skip
def test_numbers_that_are_not_finite(corpus, tmp_path, number, row, column, name):
    """The samples have 7, 40 and 4 points."""
    corpus.save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        arrays = dict(archive)
    arrays["offsets"][row, column] = number
    np.savez(tmp_path / "c.npz", **arrays)
    sample = "abc".index(name[0])
    offset = row - (0, 7, 47)[sample]
    message = (
        rf"c.npz is damaged: sample {sample} .*\({name}\) has numbers that are not finite: offset {offset} is"
    )
    with pytest.raises(ValueError, match=message):
        Corpus.load(tmp_path / "c.npz")


def test_offsets_that_are_not_finite():
    offsets = np.float32([[0, 0, 0], [np.nan, 0, 1]])
    with pytest.raises(ValueError, match=r"sample 1 .*\(b of npy\) .* offset 1"):
        Corpus.from_offsets(
            [(Label("x", "w", "trainset", "npy", n), o) for n, o in (("a", offsets[:1]), ("b", offsets))],
            "generation",
        )


@pytest.mark.parametrize(
    "damage, message",
    [
        ({"offsets": np.zeros((51, 3), "U4")}, "points of a corpus are floating-point numbers"),
        ({"offsets": np.zeros((51, 2), np.float16)}, r"\(P, 3\), not float16 \(51, 2\)"),
        ({"lengths": np.array([7.0, 40.0, 4.0])}, "lengths of a corpus are whole numbers"),
        ({"lengths": np.array([[7, 40, 4]])}, r"\(N,\), not int64 \(1, 3\)"),
    ],
)
def test_arrays_of_another_kind(corpus, tmp_path, damage, message):
    corpus.save(tmp_path / "c.npz")
    with np.load(tmp_path / "c.npz") as archive:
        arrays = dict(archive) | damage
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(ValueError, match=f"c.npz is damaged: .*{message}"):
        Corpus.load(tmp_path / "c.npz")
