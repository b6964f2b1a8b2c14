"""`getok`: what the model sees, on the command line. Results on stdout; progress and errors on stderr.

Exit codes: 0 done, 2 bad input in one line, 130 interrupted. Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .verbs import add_verbs

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""what the system says where nothing, or nothing more, can be written"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"getok: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    from getok_core.errors import GetokError

    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except GetokError as error:
        print(f"getok: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        _close_stdout()
        return 0
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _close_stdout()
        place = error.filename or "all of the output"
        print(
            f"getok: cannot write {place}: {error.strerror}; free some space, or choose another place", file=sys.stderr
        )
        return 2


def _close_stdout() -> None:
    """What is left to be said goes nowhere: said at the end of the process it would be a second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> Parser:
    """The arguments of every command. Cheap: no command is imported here."""
    top = Parser(prog="getok", description="A small vision-language model that speaks geometry, on your images.")
    top.add_argument("--version", action="store_const", const=_version, dest="run", help="print the version")
    add_verbs(top.add_subparsers(title="commands", metavar="COMMAND"))
    top.set_defaults(run=_nothing)
    return top


def _nothing(arguments: argparse.Namespace) -> int:
    parser().print_help(sys.stderr)
    return 2


def _version(arguments: argparse.Namespace) -> int:
    import re

    from .share import share

    version = re.search("<version>(.+?)</version>", (share() / "package.xml").read_text())
    print(f"getok {version[1] if version else 'of unknown version'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
