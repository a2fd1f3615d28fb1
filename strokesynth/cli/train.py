"""``data_preprocessing.py`` and ``train.py``, ``strokesynth prepare`` and ``strokesynth train``."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from strokesynth.cli._guard import guarded

TASKS = (
    "conditional_handwriting",
    "styled_handwriting",
    "unconditional_handwriting",
    "recognition",
    "writer_verification",
    "language_model",
)
_CORPUS = "data/corpus.npz"  # where a corpus goes unless it is said
_LINE = 30  # characters of a line of prose for the language model: about those of a written line


def prepare_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``data_preprocessing.py`` and ``strokesynth prepare``."""
    from strokesynth.datasets.corpus import TASKS as CORPUS_TASKS

    parser = argparse.ArgumentParser(
        prog, description="Prepare one corpus file for training from handwriting databases."
    )
    parser.add_argument(
        "--task", choices=CORPUS_TASKS, default=CORPUS_TASKS[0], help="what it is for (%(default)s)"
    )
    parser.add_argument("--iam", metavar="DIR", help="IAM-OnDB: its archives or what is unpacked from them")
    parser.add_argument("--unipen", metavar="DIR", help="UNIPEN train_r01_v07, original or parsed (.npz)")
    parser.add_argument("--npy", metavar="FILE", help="strokes-py3.npy, with sentences.txt beside it")
    parser.add_argument("-o", "--out", metavar="FILE", help=f"corpus ({_CORPUS})")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one for each core)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for composed lines (%(default)s)")
    group = parser.add_argument_group("with a recogniser, of a corpus that was made before")
    group.add_argument(
        "--clean", metavar="CORPUS", help="write the lines of this file that a recogniser can read"
    )
    group.add_argument(
        "--align",
        metavar="CORPUS",
        help="write beside this file which character each of its points belongs to, for --task styled_handwriting",
    )
    group.add_argument("--recognizer", metavar="WEIGHTS", help="which reads (the one in the package)")
    group.add_argument(
        "--limit",
        type=float,
        metavar="X",
        help="nats a character above which --clean leaves a line out (0.8)",
    )
    args = parser.parse_args(argv)
    made_before = [name for name in ("clean", "align") if getattr(args, name) is not None]
    if len(made_before) > 1:
        parser.error("--clean and --align are two calls: clean the corpus first, then align the clean one")
    if made_before and (args.iam or args.unipen or args.npy):
        parser.error(f"--{made_before[0]} reads a corpus, not a database: give one or the other")
    if not made_before and args.recognizer is not None:
        parser.error("--recognizer goes with --clean or --align")
    if args.clean is None and args.limit is not None:
        parser.error("--limit goes with --clean")
    if args.align is not None and args.out is not None:
        parser.error("--align writes beside the corpus: leave out --out")
    out = _CORPUS if args.out is None else args.out

    def work() -> None:
        if args.clean is not None:
            from strokesynth.training import cleaning

            limit = cleaning.LIMIT if args.limit is None else args.limit
            made = {"recognizer": args.recognizer, "limit": limit, "workers": args.workers}
            print(cleaning.describe(cleaning.clean_corpus(args.clean, out, **made)))
            return
        if args.align is not None:
            from strokesynth.training import alignment

            made = {"recognizer": args.recognizer, "workers": args.workers}
            print(alignment.describe(*alignment.align_file(args.align, **made)))
            return
        from strokesynth.datasets.preparation import describe, prepare_corpus

        options = {name: getattr(args, name) for name in ("iam", "unipen", "npy", "workers", "seed")}
        print(describe(prepare_corpus(args.task, out, **options)))

    return guarded(parser.prog, work)


def train_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``train.py`` and ``strokesynth train``."""
    from strokesynth.nn.products import CHOICES
    from strokesynth.training.loop import TrainingOptions

    parser = argparse.ArgumentParser(prog, description="Train a network on a corpus, or a language model.")
    parser.add_argument(
        "--task",
        choices=TASKS,
        default=TASKS[0],
        help="writing with or without a text, reading, telling writers apart (for evaluation), or what reading "
        "expects of English (%(default)s)",
    )
    parser.add_argument("--corpus", metavar="FILE", help="made by data_preprocessing.py")
    parser.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        type=Path,
        help="run folder (runs/x); of a language model the file",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="start from the weights in this file (.safetensors)"
    )
    parser.add_argument(
        "--repeat",
        metavar="SOURCE=N",
        action="append",
        default=[],
        type=_repeat,
        help="how often an epoch has the lines of a source, such as composed=0.5; may be given several times",
    )
    parser.add_argument("--hidden-size", type=int, metavar="N", help="cells of each layer (400; reading 256)")
    parser.add_argument(
        "--train-on", metavar="SPLIT", action="append", help="only on this split of the corpus; several times"
    )
    parser.add_argument(
        "--focus", type=float, default=0.0, metavar="X", help="gamma of focal CTC (%(default)s)"
    )
    parser.add_argument(
        "--contrast-only",
        action="store_true",
        help="of a styled network only the encoder, by contrast of writers",
    )
    group = parser.add_argument_group("language model")
    group.add_argument(
        "--text",
        metavar="FILE",
        action="append",
        default=[],
        help="prose (UTF-8) to learn from; several times",
    )
    group.add_argument(
        "--order", type=int, default=7, metavar="N", help="characters of an n-gram (%(default)s)"
    )
    group.add_argument(
        "--max-entries", type=int, default=400_000, metavar="N", help="n-grams to keep (%(default)s)"
    )
    group = parser.add_argument_group("training")
    for option in fields(TrainingOptions):
        assert not isinstance(option.default, str)
        kind = type(option.default)
        metavar = "N" if kind is int else "X"
        flag = "--" + option.name.replace("_", "-")
        group.add_argument(flag, type=kind, default=option.default, metavar=metavar, help="%(default)s")
    group.add_argument(
        "--device", default="auto", metavar="NAME", help="cpu, cuda or another (auto: a GPU if there is one)"
    )
    group.add_argument(
        "--products",
        choices=CHOICES,
        help="type of matrix products (auto: the fastest; default: the environment's STROKESYNTH_PRODUCTS, or auto)",
    )
    args = parser.parse_args(argv)
    if args.task == "language_model":
        if args.corpus is None and not args.text:
            parser.error("a language model learns from --corpus, --text or both")
        return guarded(parser.prog, lambda: _train_language_model(args))
    if args.corpus is None:
        parser.error("--corpus is missing: the file that data_preprocessing.py made")
    if args.text:
        parser.error("--text goes with --task language_model")
    return guarded(parser.prog, lambda: _train(args))


def _train_language_model(args: argparse.Namespace) -> None:
    from strokesynth._files import check_writable
    from strokesynth.alphabet import PRINTABLE_ASCII, fold
    from strokesynth.datasets.corpus import HELD_OUT, Corpus
    from strokesynth.datasets.sample import RUNNING_TEXT
    from strokesynth.recognition.language_model import LanguageModel

    if args.out.suffix != ".npz":
        raise ValueError(f"{str(args.out)!r}: a language model is one file whose name ends in .npz")
    check_writable(args.out)
    lines: list[str] = []
    if args.corpus is not None:
        corpus = Corpus.load(args.corpus)
        chosen = corpus.select(args.train_on)
        texts = (
            str(corpus.texts[i])
            for i in chosen
            if corpus.sources[i] in RUNNING_TEXT and (args.train_on or corpus.splits[i] not in HELD_OUT)
        )
        lines += dict.fromkeys(texts)  # what many people were asked to write counts once
    for file in args.text:
        try:
            prose = Path(file).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{file} is not text in UTF-8: {error}") from None
        for paragraph in prose.splitlines():
            lines += textwrap.wrap(fold(paragraph), _LINE, break_long_words=False, break_on_hyphens=False)
    writable = [line for line in lines if set(line) <= set(PRINTABLE_ASCII)]
    model = LanguageModel.train(writable, args.order, max_entries=args.max_entries)
    model.save(args.out)
    print(
        f"{len(writable)} lines of {sum(map(len, writable))} characters; left out {len(lines) - len(writable)} with "
        f"other characters than printable ASCII; {model.n_entries} n-grams, {args.out.stat().st_size / 1e6:.2f} MB"
    )


def _train(args: argparse.Namespace) -> None:
    from strokesynth.datasets.corpus import Corpus
    from strokesynth.nn.transfer import warm_start
    from strokesynth.nn.weights import load_weights
    from strokesynth.training.alignment import alignment_file, load_alignment
    from strokesynth.training.distributed import joined
    from strokesynth.training.loop import TrainingOptions, prepare_process, train
    from strokesynth.training.recognition_task import RecognitionTask
    from strokesynth.training.style_task import StyledHandwritingTask
    from strokesynth.training.synthesis_task import SynthesisTask
    from strokesynth.training.writer_task import WriterTask

    prepare_process()  # before the first product: threads take its settings from the one that starts them
    if args.init and args.resume:
        raise ValueError("--init starts a new run and --resume goes on with one: give only one of them")
    options = TrainingOptions(
        **{option.name: getattr(args, option.name) for option in fields(TrainingOptions)}
    )
    corpus = Corpus.load(args.corpus)
    common: dict[str, Any] = {
        "batch_size": options.batch_size,
        "seed": options.seed,
        "config": {} if args.hidden_size is None else {"hidden_size": args.hidden_size},
        "repeats": dict(args.repeat),
    }
    start = load_weights(args.init) if args.init else None
    task: SynthesisTask | StyledHandwritingTask | RecognitionTask | WriterTask
    if args.task != "recognition" and (args.train_on or args.focus):
        raise ValueError("--train-on and --focus go with --task recognition")
    if args.task == "writer_verification":
        task = WriterTask(corpus, start=start and start.network, **common)
    else:
        if args.task == "recognition":
            task = RecognitionTask(corpus, train=args.train_on, focus=args.focus, **common)
        elif args.task == "styled_handwriting":
            characters = load_alignment(alignment_file(args.corpus), corpus)
            common["config"] = {"pen": common["config"]}
            task = StyledHandwritingTask(corpus, characters, contrast_only=args.contrast_only, **common)
        else:
            task = SynthesisTask(args.task, corpus, **common)
        if start is not None:
            if start.alphabet != task.alphabet:
                raise ValueError(f"{args.init!r} has another alphabet: {start.alphabet.characters!r}")
            warm_start(task.network, start.network)
    with joined(args.device) as device:
        train(task, args.out, options, resume=args.resume, device=device, products=args.products)


def _repeat(text: str) -> tuple[str, float]:
    source, _, number = text.partition("=")
    try:
        count = float(number)
    except ValueError:
        count = -1.0
    if not source or not 0 <= count < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not SOURCE=N with a number N from 0 on")
    return source, count
