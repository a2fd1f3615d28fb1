"""What MkDocs does not do by itself when it builds this site.

The reference is made from the package as it stands, so no page names a module: the names of the front door
(`strokesynth.__all__`) on one page, and each public module or subpackage on one of its own. A public name without a
docstring is a warning, and warnings fail the build. Equations become MathML, which browsers set without a script.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "strokesynth"
TAKEN_IN = {"model-card.md": "strokesynth/weights/MODEL_CARD.md", "corpora.md": "data/README.md"}
"""Pages of the site that are files elsewhere in the repository."""

log = get_plugin_logger("reference")

_FIELD = re.compile(r"(\S(?:.{0,38}?\S)?) {2,}(\S.*)")  # a name, and what it is in a column beside it
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
_FETCHED = re.compile(
    r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(?:https?:)?//[^>]*>|<link[^>]*stylesheet[^>]*//[^>]*>"""
)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the reference into the navigation."""
    pages = ["reference/index.md", *(f"reference/{room.name}.md" for room in rooms(package()))]
    assert config.nav is not None
    config.nav.append({"Reference": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    door = package()
    for name in undocumented(door):
        log.warning(f"{name} is public and has no docstring")
    pages = {name: (ROOT / source).read_text(encoding="utf-8") for name, source in TAKEN_IN.items()}
    pages["reference/index.md"] = front_door(door)
    for room in rooms(door):
        pages[f"reference/{room.name}.md"] = (
            f"# {room.name}\n\n::: {room.path}\n    options:\n      show_root_heading: false\n"
        )
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_content(content: str, **_: Any) -> str:
    """Equations in TeX to MathML."""
    return _EQUATION.sub(
        lambda match: convert(html.unescape(match[2]), display="block" if match[1] == "div" else "inline"),
        content,
    )


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse pages that would fetch something from elsewhere."""
    if fetched := _FETCHED.search(output):
        raise PluginError(f"{page.file.src_uri} fetches {fetched[0]}")
    return output


def package() -> griffe.Module:
    """The package, read and not run."""
    loaded = griffe.load(PACKAGE, search_paths=[ROOT], allow_inspection=False)
    assert isinstance(loaded, griffe.Module)
    return loaded


def rooms(door: griffe.Module) -> list[griffe.Module]:
    """The public modules and subpackages right below the package."""
    found = (member for name, member in sorted(door.modules.items()) if not name.startswith("_"))
    return [module for module in found if isinstance(module, griffe.Module)]


def front_door(door: griffe.Module) -> str:
    """The page of the names in `strokesynth.__all__`, and a table of the rooms behind it."""
    names = [str(name) for name in door.exports or [] if not str(name).startswith("_")]
    table = [f"| [`{room.name}`]({room.name}.md) | {_first_sentence(room)} |" for room in rooms(door)]
    lines = [
        "# Reference",
        "What `import strokesynth as ss` offers. Everything else is found in the rooms behind it, and may move.",
        *(f"::: {PACKAGE}.{name}" for name in names),
        "## Behind the front door",
        "\n".join(["| room | what |", "|---|---|", *table]),
    ]
    return "\n\n".join(lines) + "\n"


def undocumented(module: griffe.Module) -> Iterator[str]:
    """Public modules, classes, functions and methods without a docstring, here and below."""
    if not module.has_docstring:
        yield module.path
    for name, member in module.members.items():
        if name.startswith("_") or member.is_alias:
            continue
        if isinstance(member, griffe.Module):
            yield from undocumented(member)
        elif isinstance(member, griffe.Class | griffe.Function):
            yield from _undocumented_names(member)


def _undocumented_names(item: griffe.Class | griffe.Function) -> Iterator[str]:
    if not item.has_docstring:
        yield item.path
    if isinstance(item, griffe.Class):
        for name, member in item.members.items():
            if not name.startswith("_") and isinstance(member, griffe.Class | griffe.Function):
                yield from _undocumented_names(member)
            elif not name.startswith("_") and "property" in member.labels and not member.has_docstring:
                yield member.path


def _first_sentence(module: griffe.Module) -> str:
    text = module.docstring.value if module.docstring else ""
    return re.split(r"(?<=[.:])\s", text.split("\n\n")[0].replace("\n", " "))[0]


class FieldLists(griffe.Extension):
    """Fields in columns, as docstrings have them, to lists, as Markdown has them."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = field_lists(obj.docstring.value)


def field_lists(text: str) -> str:
    """The text with each run of lines "name   what it is" as a list; lines below that are set in go on with them."""
    result: list[str] = []
    within = False
    for line in text.splitlines():
        if match := _FIELD.fullmatch(line):
            if not within:
                result.append("")
            name = match[1] if match[1].startswith("`") else f"`{match[1]}`"
            result.append(f"- {name}: {match[2]}")
            within = True
        elif within and line.startswith("    "):
            result.append(f"    {line.strip()}")
        else:
            if within and line:
                result.append("")
            within = False
            result.append(line)
    return "\n".join(result)
