"""A Qwen-VL model folder: the language's tokens in its tokenizer, and the manifest that makes it one of ours.

The folder stays what the Hugging Face library and vLLM load; our manifest.json lies beside their files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from getok_core.engines.base_vocabulary import TOKENIZER, BaseVocabulary
from getok_core.errors import ModelError
from getok_core.lattice import Size
from getok_core.manifest import HARMLESS, NAME, Manifest, sha256
from getok_core.queries import PROMPT_VERSION, TASKS
from getok_core.vocabulary import Vocabulary

TOKENIZER_CONFIG = "tokenizer_config.json"
FAMILIES = {"qwen2_5_vl": "Qwen2.5-VL", "qwen3_vl": "Qwen3-VL", "qwen3_5": "Qwen3.5"}
"""model type in config.json -> the family's name, with which a manifest's base begins"""
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] in ('image', 'image_url') %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""what Qwen2.5-VL's own chat template makes of images and text: the frame of getok_core.engines.chat"""
TOKENS = 512
"""largest answer by default: a scene of text tokens is longer than the nano's words"""


def with_language(raw: dict[str, Any], n: int) -> tuple[dict[str, Any], list[int]]:
    """The content of a tokenizer.json, and what it lacks of the language added; and the base ids added, in order.

    The tokens are no "special" ones, so that a server that leaves those out of its text still says them.
    """
    known = {token["content"] for token in raw["added_tokens"]}
    language = Vocabulary(n).tokens[: Vocabulary(n).text_start]
    missing = [spelling for spelling in language if spelling not in known]
    first = 1 + max([*raw["model"]["vocab"].values(), *(token["id"] for token in raw["added_tokens"])])
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    added = [{"id": first + k, "content": spelling, **flags} for k, spelling in enumerate(missing)]
    return {**raw, "added_tokens": [*raw["added_tokens"], *added]}, [token["id"] for token in added]


def add_language(folder: Path, n: int = 32) -> list[int]:
    """Writes the language into the tokenizer of `folder`; returns the base ids added. Raises ModelError without one."""
    raw, added = with_language(read_json(folder / TOKENIZER), n)
    config = read_json(folder / TOKENIZER_CONFIG)
    every = ({**token} for token in raw["added_tokens"])
    config["added_tokens_decoder"] = {str(token.pop("id")): token for token in every}
    for name, content in ((TOKENIZER, raw), (TOKENIZER_CONFIG, config)):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False))
    return added


def seal(folder: Path, name: str, base: str, n: int, view: Size, precision: str,
         training: dict[str, Any] | None = None, refinements: int = 1) -> Manifest:  # fmt: skip
    """Writes the manifest of a folder whose files are whole; view is the input's width and height in pixels.

    Raises ModelError when the tokenizer does not speak the language.
    """
    vocabulary = BaseVocabulary.read(folder, n)
    files = {
        path.name: sha256(path) for path in sorted(folder.iterdir()) if path.suffix in HARMLESS and path.name != NAME
    }
    manifest = Manifest(name, base, n, vocabulary.digest, PROMPT_VERSION, view, precision, refinements, TOKENS, files,
                        ("torch", "http"), tuple(TASKS), training or {})  # fmt: skip
    manifest.write(folder)
    return manifest


def read_json(path: Path) -> dict[str, Any]:
    """Raises ModelError in one line when the file is missing or no JSON."""
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}; name the folder of a Qwen-VL model") from None
    except ValueError as error:
        raise ModelError(f"{path} is no JSON ({error}): copy it again") from None
