"""README and guides say what is so: every block of code in them runs, and what they link to is there.

The blocks of a page run in their order, in a folder that looks like a checkout and has the files that they name: Python
in one namespace for each page, commands in this process. What would take long, or needs what is not there, is put
in the place of something small by `SUBSTITUTES` and `_without_launcher`. `NOT_RUN` lists the blocks left out.
"""

import importlib.util
import io
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace

import griffe
import numpy as np
import pytest
from makers import hands_corpus
from mkdocs.exceptions import PluginError

import strokesynth as ss

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "data/README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

SUBSTITUTES = [
    # Training for a moment, of small networks.
    (r"--minutes \d+", "--minutes 0.001 --batch-size 4"),
    (r"^(python train\.py (?!.*language_model).*)$", r"\1 --hidden-size 16"),
    # These cannot write yet.
    (r"--weights runs/mine/weights.safetensors", "--weights strokesynth/weights/synthesis.safetensors"),
    # As few lines as there can be, and of the cheapest kinds of figures.
    (
        r"--lines \d+ --per-character \d+",
        "--quick --lines 2 --per-character 1 --only legibility --no-proofread",
    ),
]
"""Regular expressions and what they are replaced with in commands."""

NOT_RUN = {
    "README.md": ["it downloads packages"],
    "docs/pages.md": ["it downloads packages that are not needed otherwise"],
}
"""Blocks after a comment <!-- not run: reason -->, by page."""

LAUNCHERS = {"torchrun": "torch.distributed.run", "accelerate": "accelerate"}
"""Programs that start training in several processes, with their modules; test_training_distributed.py runs them."""

NOT_CODE = {"text", "toml"}
FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>.+?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(page):
    """(language, code, why it is not run or None) of each fenced block."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [(match["language"], match["code"], match["why"]) for match in FENCE.finditer(text)]


# --- the folder ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the package and its commands, and made files under the names that the pages use."""
    folder = tmp_path_factory.mktemp("made")
    for name in ["strokesynth", "Makefile", "pyproject.toml", "constraints.txt", "docs", "benchmarks"]:
        (folder / name).symlink_to(ROOT / name)
    for script in ROOT.glob("*.py"):
        (folder / script.name).symlink_to(script)
    for name in ("data", "runs"):
        (folder / name).mkdir()
    (folder / "letter.txt").write_text("Dear Ada,\n\nyes.\n")
    (folder / "PROSE.txt").write_text(
        "It was a bright cold day in April, and the clocks were striking thirteen.\n" * 5
    )
    synthesizer = ss.load_synthesizer()
    note, below, mine = synthesizer.write_lines(
        ["see you at noon", "by the old mill", "the quick brown fox"], style="plain", seed=1
    )
    for name, ink in {"note.inkml": note, "me.inkml": mine, "ada.svg": note}.items():
        ink.save(folder / name)
    ss.Ink.from_strokes([*note.strokes, *below.translate(0.0, 4.0).strokes]).save(folder / "page.json")
    texts = ["a lazy dog", "the old mill", "see you soon", "nine of them"]
    lines = synthesizer.write_lines(texts, style="plain", seed=2)
    make_iam(folder / "IAM_FOLDER", lines)
    make_unipen(folder / "UNIPEN_FOLDER", lines)
    hands_corpus(writers=10).save(folder / "data" / "corpus.npz")
    (folder / "IAM").symlink_to("IAM_FOLDER")
    (folder / "UNIPEN").symlink_to("UNIPEN_FOLDER")
    return folder


@pytest.fixture
def checkout(made, tmp_path, monkeypatch):
    """A copy of it for one page, which is the current folder."""
    folder = tmp_path / "checkout"
    shutil.copytree(made, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(ROOT))
    return folder


def make_iam(folder, lines):
    """IAM-OnDB's archives with a form of these lines for training and one for validation."""
    folder.mkdir()
    forms = {"a01-000": lines, "a01-001": lines[:2]}
    strokes, texts = {}, {}
    for form, inks in forms.items():
        for number, ink in enumerate(inks, start=1):
            points = (
                "".join(f'<Point x="{x:.0f}" y="{y:.0f}" time="0"/>' for x, y in 100 * s + 500)
                for s in ink.strokes
            )
            body = "".join(f"<Stroke>{stroke}</Stroke>" for stroke in points)
            strokes[f"lineStrokes/a01/{form}/{form}-{number:02}.xml"] = (
                f"<WhiteboardCaptureSession><StrokeSet>{body}</StrokeSet></WhiteboardCaptureSession>"
            )
        texts[f"ascii/a01/{form}/{form}.txt"] = (
            "OCR:\n\nx\n\nCSR:\n\n" + "\n".join(i.text for i in inks) + "\n"
        )
    for archive, files in {"lineStrokes-all": strokes, "ascii-all": texts}.items():
        with tarfile.open(folder / f"{archive}.tar.gz", "w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content.encode()))
    (folder / "trainset.txt").write_text(" a01-000\n")
    (folder / "testset_v.txt").write_text(" a01-001\n")
    (folder / "writers.csv").write_text("form_id,writer_id\na01-000,1\na01-001,2\n")


def make_unipen(folder, lines):
    """UNIPEN parsed into arrays: these lines as text, and their words and characters."""
    folder.mkdir()
    parts = {
        "text": [(ink.text, ink.strokes) for ink in lines],
        "words": [part for ink in lines for part in pieces(ink, r"\S+")],
        "chars": [part for ink in lines for part in pieces(ink, r"\S")],
    }
    for name, samples in parts.items():
        points = [np.concatenate(strokes) * 100 for _, strokes in samples]
        np.savez(
            folder / f"{name}.npz",
            points=np.concatenate([p - p[0] for p in points]).astype(np.int16),
            stroke_lengths=np.array([len(s) for _, strokes in samples for s in strokes], np.int32),
            strokes_per_sample=np.array([len(strokes) for _, strokes in samples], np.int16),
            label=np.frombuffer("\n".join(text for text, _ in samples).encode(), np.uint8),
            writer=np.frombuffer("\n".join("abc:ada" for _ in samples).encode(), np.uint8),
        )


def pieces(ink, pattern):
    """The (text, strokes) of those parts of the text that match, where they have ink."""
    for match in re.finditer(pattern, ink.text):
        start, end = match.span()
        strokes = [s[(c >= start) & (c < end)] for s, c in zip(ink.strokes, ink.characters)]
        if strokes := [s for s in strokes if len(s)]:
            yield match[0], strokes


# --- running -------------------------------------------------------------------------------------------


def run_shell(code, monkeypatch):
    for line in code.replace("\\\n", " ").splitlines():
        command = re.sub(r"\s+", " ", line).strip()
        if command and not command.startswith("#"):
            run_command(command, monkeypatch)


def run_command(command, monkeypatch):
    for pattern, replacement in SUBSTITUTES:
        command = re.sub(pattern, replacement, _without_launcher(command))
    words = shlex.split(command)
    while "=" in words[0]:
        words = words[1:]  # settings of pip and of threads
    if words[0] == "make":
        recipe = subprocess.run(["make", "-n", *words[1:]], capture_output=True, text=True, check=True).stdout
        # What installs is left to `make` itself; what it then calls is run.
        command = next(line for line in recipe.splitlines() if "generate.py" in line)
        words = ["python", *shlex.split(command)[1:]]
    assert words[0] == "python" and Path(words[1]).is_file(), f"no way to run {command!r}"
    monkeypatch.setattr(sys, "argv", words[1:])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(words[1], run_name="__main__")
    assert not done.value.code, command


def _without_launcher(command):
    """The command for one process, of one that is for several."""
    for program, module in LAUNCHERS.items():
        if re.search(rf"(^|\s){program}\s", command):
            pytest.importorskip(module)
            return "python " + command[command.index("train.py") :]
    return command


@pytest.mark.parametrize(
    "page",
    [
        page
        for page in PAGES
        if any(not why and language not in NOT_CODE for language, _, why in blocks(page))
    ],
)
def test_every_block_runs(page, checkout, monkeypatch, capsys):
    namespace, ran = {"__name__": "__main__"}, 0
    for language, code, why in blocks(page):
        if why or language in NOT_CODE:
            continue
        if language == "sh":
            run_shell(code, monkeypatch)
        else:
            exec(compile(code, page, "exec"), namespace)
        ran += 1
    assert ran  # each block raises where it fails


def test_blocks_say_what_they_are():
    for page in PAGES:
        assert {language for language, _, _ in blocks(page)} <= {"python", "sh", *NOT_CODE}, page


def test_blocks_that_are_not_run_are_few_and_known():
    found = {page: [why for _, _, why in blocks(page) if why] for page in PAGES}
    assert {page: reasons for page, reasons in found.items() if reasons} == NOT_RUN


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib came with Python 3.11")
def test_toml_is_toml():
    import tomllib

    found = [
        tomllib.loads(code) for page in PAGES for language, code, _ in blocks(page) if language == "toml"
    ]
    assert [list(settings) for settings in found] == [["gwrite"]]


# --- what the pages say --------------------------------------------------------------------------------


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_within_the_repository_lead_somewhere(page):
    text = re.sub(
        r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    # Pages of the site that `make docs` makes and checks
    made = {"corpora.md", "model-card.md", "reference/index.md"}
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path = link.split("#")[0]
        if path and not re.match(r"https?:", path) and not (page.startswith("docs/") and path in made):
            assert (ROOT / page).parent.joinpath(path).exists(), f"{page} links to {link}"


@pytest.mark.parametrize(
    ("page", "program"),
    [("docs/pages.md", "generate.py"), ("docs/training.md", "train.py"), ("docs/writing.md", "generate.py")],
)
def test_options_that_are_named_exist(page, program, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [program, "--help"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / program), run_name="__main__")
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) | {"--help"}
    named = set(re.findall(r"`(--[a-z-]+)", (ROOT / page).read_text(encoding="utf-8")))
    assert named - {"--clean", "--align"} <= known and named


# --- what builds the site ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs" / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_public_names_without_a_docstring_are_found(hooks, tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text('"""A room."""\nfrom .desk import lamp\n')
    (tmp_path / "room" / "_cellar.py").write_text("def dark(): ...\n")
    (tmp_path / "room" / "desk.py").write_text(
        "def lamp(): ...\n"
        "def _switch(): ...\n"
        "def chair():\n    'Sits.'\n"
        "class Drawer:\n"
        "    def __init__(self): ...\n"
        "    def open(self): ...\n"
        "    def close(self):\n        'Closes.'\n"
        "    def _jam(self): ...\n"
        "    @property\n    def depth(self): ...\n"
    )
    room = griffe.load("room", search_paths=[tmp_path], allow_inspection=False)
    missing = {
        "room.desk",
        "room.desk.lamp",
        "room.desk.Drawer",
        "room.desk.Drawer.open",
        "room.desk.Drawer.depth",
    }
    assert set(hooks.undocumented(room)) == missing


def test_the_site_is_built_strictly():
    recipe = subprocess.run(
        ["make", "-n", "docs"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    (command,) = re.findall(r"-m mkdocs (.*)", recipe)
    assert shlex.split(command) == ["build", "--strict"]  # with --quiet, warnings do not count


def test_the_reference_has_the_front_door_and_all_rooms(hooks):
    package = hooks.package()
    page = hooks.front_door(package)
    assert re.findall(r"^::: strokesynth\.(\w+)$", page, re.MULTILINE) == [
        name for name in ss.__all__ if not name.startswith("_")
    ]
    found = {path.stem for path in Path(ss.__file__).parent.glob("[a-z]*.py")}
    found |= {path.parent.name for path in Path(ss.__file__).parent.glob("*/__init__.py")}
    assert {room.name for room in hooks.rooms(package)} == found
    assert all(f"]({name}.md)" in page for name in found)


def test_columns_of_fields_become_lists(hooks):
    text = "Paper.\n\nsize   a name, or\n       width and height\npitch  in mm\n\nRaises ValueError."
    expected = (
        "Paper.\n\n\n- `size`: a name, or\n    width and height\n- `pitch`: in mm\n\nRaises ValueError."
    )
    assert hooks.field_lists(text) == expected
    prose = "A sentence. Another one\nover two lines.\n\n    code = 1  # not a field\n"
    assert hooks.field_lists(prose) == prose.rstrip("\n")


def test_equations_become_mathml(hooks):
    page = '<p><span class="arithmatex">\\(a &lt; b\\)</span></p><div class="arithmatex">\\[\n\\frac{1}{n}\n\\]</div>'
    root = ET.fromstring(f"<body>{hooks.on_page_content(page)}</body>")
    math = "{http://www.w3.org/1998/Math/MathML}"
    inline, block = root.iter(f"{math}math")
    assert (inline.get("display"), block.get("display")) == ("inline", "block")
    assert [e.text for e in inline.iter() if e.text] == ["a", "<", "b"]
    assert block.find(f".//{math}mfrac") is not None


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://cdn.example.org/x.js">',
        "<img alt=x src=//example.org/x.png>",
        '<link rel="stylesheet" href="https://fonts.example.org/css">',
    ],
)
def test_pages_that_fetch_from_elsewhere_are_refused(hooks, element):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="index.md"))
    with pytest.raises(PluginError, match=r"index.md fetches <"):
        hooks.on_post_page(f"<html>{element}</html>", page)
    near = '<a href="https://example.org">x</a><script src="assets/x.js"></script>'
    assert hooks.on_post_page(near, page) == near
