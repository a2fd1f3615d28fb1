"""Training of the styled network: who is a reference of whom, the losses, and one person under several names."""

import numpy as np
import pytest
import torch

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.datasets.persons import person
from strokesynth.ink import Ink
from strokesynth.nn.style_encoder import Posterior
from strokesynth.training.style_task import StyledHandwritingTask, _disagreement, _warp

SMALL = {
    "pen": {"hidden_size": 12, "components": 3, "window_components": 3},
    "style": {"hand_size": 5, "character_size": 6, "channels": 8, "heads": 2},
}


def corpus():
    rng = np.random.default_rng(0)
    samples = []
    for writer, split, source, count in [
        ("ced:ann", "trainset", "unipen-text", 3), ("cee:ann", "trainset", "unipen-words", 2),
        ("bob", "trainset", "iam", 4), ("bob", "trainset", "composed", 3), ("cyd", "trainset", "composed", 2),
        ("cyd", "trainset", "unipen-text", 1), ("dan", "trainset", "iam", 1),
        ("eve", "testset_v", "iam", 5), ("fay", "testset_v", "iam", 5), ("apa:gus", "testset", "unipen-text", 5),
        ("ape:gus", "trainset", "composed", 2), ("apb:gus", "trainset", "unipen-text", 2),
        ("hal", "testset", "unipen-text", 4),
    ]:  # fmt: skip
        for i in range(count):
            strokes = [rng.normal([k, 0], 0.4, (5, 2)).astype(np.float32) for k in range(4)]
            samples.append(
                Sample(
                    Ink.from_strokes(strokes), Label("abcd", writer, split, source, f"{writer}-{source}-{i}")
                )
            )
    return Corpus.from_samples(samples, "generation")


def task(**options):
    made = corpus()
    characters = np.tile(np.repeat(np.arange(4, dtype=np.int16), 5), len(made))
    return StyledHandwritingTask(made, characters, batch_size=8, seed=0, config=SMALL, **options)


def test_one_person_under_several_names():
    assert person("ced:x") == person("cee:x") != person("aga:x")
    assert len({person(f"{c}:Jo") for c in ("apa", "apb", "apc", "apd", "ape")}) == 1
    assert person("apb:Jo") != person("apb:Jim") and person("10024") == "10024" and person("ced") == "ced"


def test_whoever_is_held_out_is_held_out_under_all_their_names():
    made = task()
    trained = {str(made.corpus.writers[i]) for i in made.training}
    assert trained == {"ced:ann", "cee:ann", "bob", "cyd", "dan"}


def test_references_are_other_lines_of_the_same_person():
    made = task()
    rng = np.random.default_rng(1)
    ids = made.corpus.ids
    drawn = {}
    for i in range(len(made.corpus)):
        for _ in range(30):
            for j in made._draw(i, rng):
                assert j != i and made.persons[i] == made.persons[j]
                assert not (made.corpus.sources[i] == made.corpus.sources[j] == "composed")
                drawn.setdefault(str(ids[i]), set()).add(str(ids[j]))
    assert drawn["ced:ann-unipen-text-0"] == {
        "ced:ann-unipen-text-1", "ced:ann-unipen-text-2", "cee:ann-unipen-words-0", "cee:ann-unipen-words-1",
    }  # fmt: skip
    assert drawn["bob-composed-0"] == {f"bob-iam-{k}" for k in range(4)}
    assert drawn["cyd-unipen-text-0"] == {"cyd-composed-0", "cyd-composed-1"}  # there is nothing else
    assert "dan-iam-0" not in drawn
    lines = np.concatenate(list(made.validation.values()))
    for i in lines:
        strangers = made._stranger(int(i), lines, rng)
        assert len(strangers) == 3 and all(made.persons[j] != made.persons[i] for j in strangers)


def test_the_loss_is_a_function_of_the_seed_and_reaches_every_weight():
    made = task()
    key = made.batches(0)[0]
    made.network.train()

    def loss(seed):
        torch.manual_seed(seed)
        return made.loss(made.network, key)

    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    (a, points), (b, _), (c, _) = loss(0), loss(0), loss(1)
    # The running means of the styles move on between the two, so that they are alike, and not the same.
    torch.testing.assert_close(a, b, rtol=1e-2, atol=0)
    assert not torch.isclose(a, c, rtol=1e-6)
    assert points == made.corpus.lengths[key].sum() + len(key)
    moved = {n for n, v in made.network.state_dict().items() if not torch.equal(v, before[n])}
    assert moved and all("_mean" in n or "_std" in n for n in moved)
    with torch.no_grad():  # the style's columns start at zero, and then only half of the gradients are there
        for parameter in made.network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    loss(2)[0].backward()
    missing = [n for n, p in made.network.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert missing in ([], ["encoder.nothing"])  # no reference at all is a matter of chance
    assert {id(p) for g in made.groups(made.network) for p in g.parameters} == {
        id(p) for p in made.network.parameters()
    }


def test_only_the_encoder_learns_by_contrast():
    made = task(contrast_only=True)
    torch.manual_seed(0)
    made.loss(made.network, made.training[:9])[0].backward()
    got = {n for n, p in made.network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert got and all(n.startswith("encoder.") for n in got)
    assert {id(p) for p in made.groups(made.network)[0].parameters} == {
        id(p) for p in made.network.encoder.parameters()
    }


def test_contrast_is_that_of_a_plain_loop():
    made = task()
    rng = np.random.default_rng(3)
    persons = np.array([4, 7, 4, 9, 2])
    hand = torch.from_numpy(rng.normal(size=(10, 5)))
    none = torch.zeros(10, 3)
    posterior = Posterior(hand, hand, torch.zeros(10, 3, 2), torch.zeros(10, 3, 2), none)
    found = float(made._contrast(posterior, persons))
    unit = hand.numpy() / np.linalg.norm(hand.numpy(), axis=1, keepdims=True)
    total = 0.0
    for i in range(5):
        for left, right in ((unit[0::2], unit[1::2]), (unit[1::2], unit[0::2])):
            rivals = [j for j in range(5) if j == i or persons[j] != persons[i]]
            scores = [left[i] @ right[j] / 0.1 for j in rivals]
            total += (np.log(np.sum(np.exp(scores))) - left[i] @ right[i] / 0.1) / 10
    assert found == pytest.approx(total, rel=1e-5)


def test_the_spread_learns_how_far_styles_of_one_writer_lie_apart():
    means = [torch.randn(6, *shape).requires_grad_() for shape in ((5,), (3, 2))]
    spreads = [torch.randn(6, *shape).requires_grad_() for shape in ((5,), (3, 2))]
    found = _disagreement(Posterior(means[0], spreads[0], means[1], spreads[1], torch.zeros(6, 3)))
    total = 0.0
    for mean, log_variance in zip(means, spreads, strict=True):
        for i, j in ((0, 1), (1, 0), (2, 3), (3, 2), (4, 5), (5, 4)):
            normal = torch.distributions.Normal(mean[i], (0.5 * log_variance[i]).exp())
            nats = -normal.log_prob(mean[j]) - 0.5 * np.log(2 * np.pi)
            total = total + nats.mean()
    torch.testing.assert_close(found, total)
    found.backward()
    assert all(mean.grad is None for mean in means) and all(s.grad.abs().sum() > 0 for s in spreads)


def test_a_warp_shears_and_stretches_positions():
    rng = np.random.default_rng(0)
    found = [w for w in (_warp(rng) for _ in range(300)) if w is not None]
    assert 45 < len(found) < 105
    for warp in found:
        assert (warp[:, 1] == [0, 1]).all() and 0.6 < warp[0, 0] < 1.7 and abs(warp[1, 0]) <= 0.6
    line = np.array([[1.0, -2.0]], np.float32)
    assert (line @ found[0])[0, 1] == -2.0


def test_validation_compares_right_no_and_wrong_references(tmp_path):
    made = task()
    figures = made.validate(made.network.eval())
    assert list(figures) == list(made.figures) and all(np.isfinite(v) for v in figures.values())
    # A style makes no difference to a network that has just begun.
    assert figures["iam_none"] == pytest.approx(figures["iam_three"], abs=1e-4)
    with torch.no_grad():
        for linear in made.network.hand:
            linear.weight.normal_(0, 0.5)
    figures = made.validate(made.network.eval())
    assert len({round(figures[f"iam_{k}"], 6) for k in ("none", "one", "three", "wrong")}) == 4


def test_nothing_to_train_or_validate_on():
    with pytest.raises(ValueError, match="one side is empty"):
        task(validation=["elsewhere"])
