import numpy as np
import pytest

from strokesynth.datasets import Sample
from strokesynth.datasets.corpus import FORMAT, Corpus
from strokesynth.ink import Ink


def sample(text, n=5, writer="w1", split="trainset", source="iam", id="a", seed=0):
    rng = np.random.default_rng(seed)
    strokes = [rng.normal(0, 1, (n - 2, 2)), rng.normal(0, 1, (2, 2)) + [n, 0]]
    return Sample(Ink.from_strokes(strokes, text=text), text, writer, split, source, id)


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
    corpus = Corpus.from_offsets([(sample("a"), offsets)], "generation")
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
