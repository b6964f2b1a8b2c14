"""What a newcomer reads: links lead somewhere, files named exist, commands shown are understood, the code runs."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from getok_ros import cli

ROOT = Path(__file__).parents[1]
FOLDERS = ("models", "cmake", "config", "docs", "getok_core", "getok_ros", "launch", "msg", "tests", "training")
"""the first is where users put models of their own, too"""
PAGES = sorted({*ROOT.glob("*.md"), *(page for folder in FOLDERS for page in (ROOT / folder).rglob("*.md"))})
HISTORY = {ROOT / "CHANGELOG.md", ROOT / "training" / "LOG.md"}
"""what was true on its day; only the links in it are checked"""
FILES = {file.relative_to(ROOT).as_posix() for folder in FOLDERS for file in (ROOT / folder).rglob("*")}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, language: str = "") -> list[str]:
    return [text for said, text in FENCE.findall(page.read_text()) if said == language]


def spans(page: Path) -> list[str]:
    """Inline code; a span may go on in the next line."""
    found = re.findall(r"(?<!`)`([^`]+)`(?!`)", FENCE.sub("", page.read_text()))
    return [" ".join(span.split()) for span in found]


LIVING = [page for page in PAGES if page not in HISTORY]
LINKS = [
    (name(page), target)
    for page in PAGES
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text()))
    if not target.startswith("http")
]


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_every_link_leads_somewhere(page: str, target: str) -> None:
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.exists(), f"{page} links to {target}, which does not exist"
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.M) if anchor else []
    assert not anchor or anchor in map(slug, headings), f"{page} links to {target}: no such heading"


# -- files and modules ---------------------------------------------------------------------------------------------


def missing(token: str, page: Path) -> bool:
    """Whether a span that names a file of ours names none. A table may name the files of its own folder shortly."""
    path = token.rstrip("/")
    if any(list(base.glob(path)) for base in (ROOT, page.parent)):
        return False
    ours = path.split("/")[0] in FOLDERS[1:] or path.endswith((".py", ".sh", ".md"))
    return ours and not any(Path(file).match(path) for file in FILES)


def unknown(token: str) -> bool:
    """Whether a dotted name is no module of ours, nor something defined in one."""
    path = ROOT.joinpath(*token.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return False
    sources = (path.parent.with_suffix(".py"), path.parent / "__init__.py")
    return not any(file.is_file() and re.search(rf"\b{path.name}\b", file.read_text()) for file in sources)


@pytest.mark.parametrize("page", LIVING, ids=name)
def test_every_file_and_module_that_is_named_exists(page: Path) -> None:
    said = [word for text in (*spans(page), *fences(page)) for word in text.split()]
    files = [
        token for token in said if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)*/?", token) and ("/" in token or "." in token)
    ]
    assert not [token for token in files if not token.startswith("..") and missing(token, page)]
    lines = re.findall(r"^from ((?:getok_core|getok_ros|training)\S*) import (.+)$", page.read_text(), re.M)
    dotted = [token for token in said if re.fullmatch(r"(getok_core|getok_ros|training)(\.\w+)+", token)]
    dotted += [f"{module}.{one.strip()}" for module, names in lines for one in names.split(",")]
    assert not [token for token in dotted if missing(token, page) and unknown(token)]
    extras = re.findall(r"getok_ros\[(\w+)\]|extra `(\w+)`", page.read_text())
    declared = (ROOT / "setup.py").read_text()
    assert not [extra for pair in extras for extra in pair if extra and f'"{extra}":' not in declared]


# -- commands ------------------------------------------------------------------------------------------------------

PROGRAMS = ("python", "getok", "make", "bash", "ros2")


def commands(page: Path) -> list[tuple[str, bool]]:
    """On one line each, without environment variables and remarks; and whether it is whole: inline code may not be."""
    lines = [(span, False) for span in spans(page)]
    for text in fences(page):
        lines += [(line, True) for line in re.sub(r"(?: \\)?\n\s+(?=\S)", " ", text).splitlines()]
    shown = [(re.sub(r"^([A-Z_]+=\S+ )+|\s#\s.*$", "", line.strip()).strip(), whole) for line, whole in lines]
    return [(line, whole) for line, whole in shown if line.split(" ")[0] in PROGRAMS and " " in line]


COMMANDS = sorted({(name(page), *command) for page in LIVING for command in commands(page)})


class Parsing(BaseException):
    """Thrown by a command at work, in place of parsing its arguments: holds its parser."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser


@pytest.fixture
def parser_of(monkeypatch: pytest.MonkeyPatch):
    """The parser of `python -m MODULE ..`, as it stands when it is about to parse."""

    def stop(parser: argparse.ArgumentParser, *_: object) -> None:
        raise Parsing(parser)

    def parser(module: str, arguments: list[str]) -> argparse.ArgumentParser:
        with monkeypatch.context() as patch, pytest.raises(Parsing) as caught:
            patch.setattr(sys, "argv", [module, *arguments])
            patch.setattr(argparse.ArgumentParser, "parse_args", stop)
            runpy.run_module(module, run_name="__main__")
        return caught.value.parser

    return parser


def parsers_of(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parser and those of its subcommands."""
    below = [action.choices.values() for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser, *(one for parsers in below for each in parsers for one in parsers_of(each))]


def check(parser: argparse.ArgumentParser, words: list[str], whole: bool) -> None:
    """Parses the words, N and the like as 1; a synopsis, with brackets, bars or dots, by the names of its options."""
    everything = parsers_of(parser)
    if any(re.search(r"\[|\||\.\.", word) for word in words):
        given = {option for word in words for option in re.findall(r"^\[?(--[a-z][\w-]*)", word)}
        known = {option for one in everything for option in one._option_string_actions}
        assert given <= known, f"no option {given - known}"
        return
    for action in [action for one in everything if not whole for action in one._actions]:
        action.required = False
    variables = re.compile(r"\$\w+|--help")
    parser.parse_args(["1" if word.isupper() else word for word in words if not variables.fullmatch(word)])


@pytest.mark.filterwarnings("ignore:.*found in sys.modules")  # runpy, where another test has imported it
@pytest.mark.parametrize(("page", "command", "whole"), COMMANDS)
def test_every_command_that_is_shown_is_understood(page: str, command: str, whole: bool, parser_of) -> None:
    words = shlex.split(command)
    if words[:2] == ["python", "-m"] and words[2].startswith("training."):
        check(parser_of(words[2], [word for word in words[3:] if word != "--help"]), words[3:], whole)
    elif words[:2] == ["python", "-m"]:
        assert not unknown(words[2]) and all(word in _source(words[2]) for word in words[3:] if word.startswith("--"))
    elif words[0] == "getok":
        check(cli.parser(), words[1:], whole)
    elif words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) for target in targets)
    elif words[:2] == ["ros2", "launch"]:
        source = (ROOT / "launch" / words[3]).read_text()
        assert all(f'"{word.partition(":=")[0]}"' in source for word in words[4:])
    elif words[0] == "bash":
        assert (ROOT / words[1]).is_file()


def _source(module: str) -> str:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()


# -- code ----------------------------------------------------------------------------------------------------------


def test_the_code_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    (code,) = fences(ROOT / "README.md", "python")
    assert cv2.imwrite(str(tmp_path / "road.jpg"), np.full((540, 960, 3), 120, np.uint8))
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) >= 2, "an answer and a list of obstacles"
