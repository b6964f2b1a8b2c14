"""The language inside a base model's tokenizer: geometry keeps its local ids, text is the base's own tokens.

Local ids [0, text_start) are those of every Vocabulary; the base's token t is the local text id text_start + t. So
prompts, grammar, automaton and parser work unchanged, and only `base_ids` and `local_ids` know the base's numbering.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..queries import standard_vocabulary
from ..vocabulary import Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOKENIZER = "tokenizer.json"


@dataclass(frozen=True)
class BaseVocabulary(Vocabulary):
    """Token ids of one lattice size n over one tokenizer."""

    source: str = ""
    """sha256 of tokenizer.json"""
    pieces: tuple[bytes | None, ...] = field(default=(), compare=False, repr=False)
    """(base tokens,) the bytes that each of the base's ids stands for; None where the base has no token of that id"""
    special: frozenset[int] = field(default=frozenset(), compare=False, repr=False)
    """base ids of control tokens, the language's among them: no user's text becomes one, no label holds one"""
    language: tuple[int, ...] = field(default=(), compare=False, repr=False)
    """(text_start,) base ids of the language's tokens, in the order of their local ids"""
    plain: Tokenizer | None = field(default=None, compare=False, repr=False)
    """the tokenizer without its special tokens"""

    @classmethod
    def read(cls, folder: Path | str, n: int = 32) -> BaseVocabulary:
        """A model folder's tokenizer.json. Raises ModelError unless it holds every token of the language of n cells."""
        path = Path(folder) / TOKENIZER
        try:
            content = path.read_bytes()
            return cls.of(json.loads(content), n, sha256(content).hexdigest())
        except OSError as error:
            raise ModelError(f"no tokenizer at {path}: {error.strerror or error}; name a model folder") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} is no tokenizer ({error}): copy it again") from None

    @classmethod
    def of(cls, raw: dict[str, Any], n: int, source: str) -> BaseVocabulary:
        """The content of a tokenizer.json with byte-level pieces, its digest -> vocabulary. Raises ModelError."""
        added = {int(token["id"]): str(token["content"]) for token in raw["added_tokens"]}
        known = {spelling: base for base, spelling in added.items()}
        spellings = Vocabulary(n).tokens[: Vocabulary(n).text_start]
        missing = [spelling for spelling in spellings if spelling not in known]
        if missing:
            raise ModelError(
                f"the tokenizer lacks {len(missing)} of the language's {len(spellings)} tokens, {missing[0]} among"
                " them: add them with python -m training.sft_base, or name a folder that it wrote"
            )
        language = tuple(known[spelling] for spelling in spellings)
        pieces = {int(base): _piece_bytes(piece) for piece, base in raw["model"]["vocab"].items()}
        pieces |= {base: spelling.encode() for base, spelling in added.items()}
        size = 1 + max(set(pieces) - set(language))
        table = tuple(pieces.get(base) for base in range(size))
        # Without its added tokens the tokenizer cannot produce them, whatever a user types.
        plain = _tokenizer({**raw, "added_tokens": []})
        if b"\n" not in table:
            raise ModelError("the tokenizer has no token for a line end: name the folder of a Qwen-VL model")
        return cls(n, (), source, table, frozenset(added), language, plain)

    @cached_property
    def size(self) -> int:
        return self.text_start + len(self.pieces)

    @cached_property
    def newline(self) -> int:
        return self.text_start + self.pieces.index(b"\n")

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Spelling of every id; an id that the base leaves empty is spelled `<?7>`."""
        text = (
            f"<?{base}>" if piece is None else piece.decode("utf-8", "replace")
            for base, piece in enumerate(self.pieces)
        )
        return (*Vocabulary(self.n).tokens[: self.text_start], *text)

    @cached_property
    def digest(self) -> str:
        """The language's digest, the same over every base: what a manifest must agree with."""
        return standard_vocabulary(self.n).digest

    # -- the base's numbering ----------------------------------------------------------------------------------------

    @cached_property
    def base_ids(self) -> NDArray[np.int64]:
        """(size,) local id -> base id."""
        return np.concatenate([np.asarray(self.language, np.int64), np.arange(len(self.pieces), dtype=np.int64)])

    def local_ids(self, base_ids: Iterable[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Base ids (T,) -> local ids (T,); -1 for an id that the tokenizer does not know."""
        ids = np.asarray(base_ids if isinstance(base_ids, np.ndarray) else list(base_ids), np.int64)
        inside = (ids >= 0) & (ids < len(self._inverse))
        return np.where(inside, self._inverse[np.where(inside, ids, 0)], -1)

    @cached_property
    def _inverse(self) -> NDArray[np.int64]:
        inverse = np.full(int(self.base_ids.max()) + 1, -1, np.int64)
        inverse[: len(self.pieces)] = self.text_start + np.arange(len(self.pieces))
        inverse[list(self.language)] = np.arange(self.text_start)
        return inverse

    def control(self, spelling: str) -> int:
        """Base id of a control token such as `<|im_end|>`. Raises ModelError when the base has none."""
        wanted = spelling.encode()
        for base in sorted(self.special):
            if base < len(self.pieces) and self.pieces[base] == wanted:
                return base
        raise ModelError(f"the tokenizer has no {spelling}: name the folder of a Qwen-VL model")

    # -- text --------------------------------------------------------------------------------------------------------

    def encode_text(self, text: str) -> list[int]:
        """Any text -> ids; whatever it spells, none is a control token or geometry.

        Comes back in Unicode's composed form (NFC) where the tokenizer asks for that; a lone surrogate becomes `?`.
        """
        assert self.plain is not None
        encoded = self.plain.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False)
        return [self.text_start + base for base in encoded.ids]

    def decode_text(self, ids: Sequence[int]) -> str:
        """Text ids -> text; ids that are not text are left out, broken UTF-8 becomes U+FFFD."""
        pieces = (self.pieces[token - self.text_start] for token in ids if self.is_text(token))
        return b"".join(piece or b"" for piece in pieces).decode("utf-8", "replace")

    @cached_property
    def label_text(self) -> NDArray[np.bool_]:
        """(size,) True for text that may stand in a label or free answer: no `<`, no control token or character."""
        mask = np.zeros(self.size, np.bool_)
        for base, piece in enumerate(self.pieces):
            mask[self.text_start + base] = bool(piece) and base not in self.special and not _UNFIT & set(piece or b"")
        return mask

    @cached_property
    def blank(self) -> NDArray[np.bool_]:
        """(size,) True for text that is nothing but spaces: a label needs more."""
        mask = np.zeros(self.size, np.bool_)
        for base, piece in enumerate(self.pieces):
            mask[self.text_start + base] = bool(piece) and not (piece or b"").strip(b" ")
        return mask

    def spell(self, ids: Iterable[int]) -> str:
        """Any ids -> readable text; an id outside the vocabulary, or that the base leaves empty, is spelled `<?7>`."""
        out = b""
        for token in map(int, ids):
            piece = self.pieces[token - self.text_start] if self.is_text(token) else None
            if piece is None:
                piece = (self.tokens[token] if 0 <= token < self.text_start else f"<?{token}>").encode()
            out += piece
        return out.decode("utf-8", "replace")


_UNFIT = {*range(32), ord("<"), 127}
"""bytes that no label holds"""


def _byte_of() -> dict[str, int]:
    """The printable character with which byte-level tokenizers write each byte -> the byte."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + k): byte for k, byte in enumerate(others)}


_BYTE_OF = _byte_of()


def _piece_bytes(piece: str) -> bytes:
    try:
        return bytes([_BYTE_OF[char] for char in piece])
    except KeyError as error:
        raise ValueError(f"piece {piece!r} is not byte-level, {error} is no byte") from None


def _tokenizer(raw: dict[str, Any]) -> Tokenizer:
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise ModelError("reading a base model's tokenizer needs tokenizers: pip install 'getok_ros[torch]'") from None
    try:
        return Tokenizer.from_str(json.dumps(raw))
    except Exception as error:  # tokenizers raises bare Exception for whatever it cannot read
        raise ValueError(str(error)) from None
