"""The training task of the judge: who is trained on, and that it learns to tell hands of unseen people apart."""

import numpy as np
import pytest
import torch
from makers import hand_of_loops, hands_corpus, save_recognition

from strokesynth.cli import train_main
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.datasets.persons import person
from strokesynth.ink import Ink
from strokesynth.nn.products import products_in
from strokesynth.training.loop import TrainingOptions, train
from strokesynth.training.writer_identity import WriterJudge, assess_real_lines
from strokesynth.training.writer_task import WriterTask, cut

CONFIG = {"hidden_size": 16, "blocks": 1, "heads": 2, "embedding_size": 8}


@pytest.fixture(scope="module")
def corpus():
    return hands_corpus()


@pytest.fixture(scope="module")
def task(corpus):
    return WriterTask(corpus, batch_size=24, seed=0, config=CONFIG)


def test_who_is_trained_on(corpus, task):
    trained = {person(str(w)) for w in corpus.writers[task.training]}
    held_out = {f"ced:w{i}" for i in range(6)}
    assert not trained & (held_out | {"ced:few", "form:a01-000u"})
    unseen = {str(p) for p in task.people[task.validation[task.unseen]]}
    assert unseen == held_out
    aside = {str(p) for p in task.people[task.validation]} - held_out
    others = {f"ced:w{i}" for i in range(6, 24)} | {"ced:few"}
    assert trained | aside | {"ced:few"} == others and not trained & aside
    assert "composed" not in set(corpus.sources[np.concatenate([task.training, task.validation])])
    # Each label stands for one person, under whatever name.
    assert len(set(zip(task.labels[task.training], task.people[task.training]))) == len(trained)
    assert len(task.network.directions) == len(trained)


def test_epochs_are_pure_and_nobody_crowds_out_the_others(corpus, task):
    keys = task.batches(2)
    assert [k.tolist() for k in task.batches(2)] == [k.tolist() for k in keys]
    assert sorted(np.concatenate(keys)) == sorted(task.training)
    many = np.array(["ced:w9"] * 200 + ["ced:w10"] * 10)
    rng = np.random.default_rng(1)
    pool = [
        Sample(hand_of_loops(0, 1, rng), Label("o" * 12, str(w), "trainset", "iam", f"a-{i}"))
        for i, w in enumerate(many)
    ]
    pool += [
        Sample(hand_of_loops(0, 1, rng), Label("o" * 12, f"ced:w{i % 2}", "testset", "iam", f"b-{i}"))
        for i in range(8)
    ]
    uneven = WriterTask(Corpus.from_samples(pool, "generation"), batch_size=8, seed=0, config=CONFIG)
    drawn = [np.concatenate(uneven.batches(epoch)) for epoch in range(10)]
    mean = np.mean([(uneven.people[d] == "ced:w9").sum() for d in drawn])
    assert 34 < mean < 46
    assert all((uneven.people[d] == "ced:w10").sum() == 10 for d in drawn)


def test_loss_is_additive_margin_softmax(task, monkeypatch):
    key = task.batches(0)[0]
    monkeypatch.setattr("strokesynth.training.writer_task.vary", lambda path, rng: path)
    network = task.network.eval()
    total, lines = task.loss(network, key)
    assert lines == len(key)
    from strokesynth.training.writer_features import path_features
    from strokesynth.training.writer_identity import stack

    with torch.no_grad():
        cosines = network(*stack([path_features(task._paths[int(i)]) for i in key])).double()
    expected = 0.0
    for row, owner in zip(cosines, task.labels[key]):
        logits = [24.0 * (float(c) - (0.25 if j == owner else 0.0)) for j, c in enumerate(row)]
        expected += np.log(np.sum(np.exp(logits))) - logits[owner]
    assert float(total.detach()) == pytest.approx(expected, rel=1e-4)


def test_products_are_in_the_type_that_is_set(task):
    totals = []
    for choice in ("float32", "bfloat16"):
        torch.manual_seed(0)
        with products_in(choice), torch.no_grad():
            totals.append(float(task.loss(task.network.eval(), task.training[:12])[0]))
    assert totals[0] != totals[1] and totals[0] == pytest.approx(totals[1], rel=0.2)


def test_it_learns_hands_of_people_it_never_saw(corpus):
    task = WriterTask(corpus, batch_size=24, seed=0, config=CONFIG)
    before = task.validate(task.network.eval())
    optimizer = torch.optim.Adam(task.network.parameters(), lr=3e-3)
    torch.manual_seed(0)
    for step in range(45):
        keys = task.batches(step // 3)
        total, lines = task.loss(task.network.train(), keys[step % 3])
        optimizer.zero_grad()
        (total / lines).backward()
        optimizer.step()
    after = task.validate(task.network.eval())
    assert set(after) == set(task.figures)
    assert after["valid_equal_error"] < before["valid_equal_error"] and after["valid_top1_of_1"] > 0.9
    assert after["valid_own_cosine"] > 0.95 and after["valid_other_cosine"] < 0.2


def test_a_run_leaves_a_judge(corpus, tmp_path):
    task = WriterTask(corpus, batch_size=24, seed=0, config=CONFIG)
    figures = train(task, tmp_path, TrainingOptions(minutes=1e-4, batch_size=24))
    assert set(figures) == set(task.figures)
    judge = WriterJudge.load(tmp_path / "weights.safetensors")
    report = assess_real_lines(judge, corpus, references=(1, 3))
    # 6 people are held out, each with one set of three lines from each of two sources, which alone make no pair.
    assert set(report["verification"]) == {"all"}
    assert [found["people"] for found in report["identification"]] == [6, 6]
    assert report["verification"]["all"]["own_pairs"] == 6
    assert report["variety"]["within"] >= 0
    lines = [corpus.offsets(i) for i in range(3)]
    vectors = judge.embed(lines)
    assert vectors.shape == (3, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # Ink is normalised first, so that its size and place do not matter.
    ink = Ink.from_offsets(lines[0])
    moved = Ink.from_strokes([70.0 * stroke + [900.0, -40.0] for stroke in ink.strokes])
    np.testing.assert_allclose(judge.embed([ink]), judge.embed([moved]), atol=0.02)


def test_cutting():
    path = np.arange(40, dtype=np.float32).reshape(10, 4)
    rng = np.random.default_rng(0)
    pieces = [cut(path, 4, rng) for _ in range(50)]
    assert {len(p) for p in pieces} == {4} and {float(p[0, 0]) for p in pieces} == {4.0 * i for i in range(7)}
    np.testing.assert_array_equal(cut(path, 99, rng), path)


def test_bad_input(corpus, tmp_path, capsys):
    with pytest.raises(ValueError, match="no source"):
        WriterTask(corpus, batch_size=8, seed=0, repeats={"mars": 2.0})
    with pytest.raises(ValueError, match="two or more of each"):
        WriterTask(corpus, batch_size=8, seed=0, validation=["nowhere"])
    file = tmp_path / "corpus.npz"
    corpus.save(file)
    reader = save_recognition(tmp_path / "reader.safetensors")
    call = ["--task", "writer_verification", "--corpus", str(file), "--out", str(tmp_path / "run")]
    assert train_main([*call, "--init", str(reader)]) != 0
    assert "weights for writer_verification" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected writer_verification"):
        WriterJudge.load(reader)


def test_a_run_goes_on_from_weights(corpus, task):
    again = WriterTask(corpus, batch_size=24, seed=1, start=task.network.network)
    figures = [t.validate(t.network.eval()) for t in (task, again)]
    assert figures[0] == pytest.approx(figures[1], abs=1e-6)
    assert again.network.network is not task.network.network
