"""Random Qwen2.5-VL networks of the real shapes, and a vocabulary of the real size: timing needs no weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch

from ..engines.base_vocabulary import BaseVocabulary
from ..errors import ModelError
from ..queries import WORDS
from ..vocabulary import Vocabulary

CONTROL = tuple(
    f"<|{name}|>"
    for name in ("endoftext", "im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")
)
CHAT = ("system", "user", "assistant", "You are a helpful assistant.")
_VISION = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16}
_TEXT = {
    "tiny": (2, 64, 128, 4, 2, 2000),
    "3b": (36, 2048, 11008, 16, 2, 151936),
    "7b": (28, 3584, 18944, 28, 4, 152064),
}
"""layers, width, width within, heads, groups, rows of embedding"""
SHAPES = tuple(_TEXT)


def random_vocabulary(rows: int, n: int = 32) -> BaseVocabulary:
    """A byte-level tokenizer that knows our words, filled up to so many tokens, with the language on top."""
    try:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    except ImportError:
        raise ModelError("timing a large shape needs tokenizers: pip install 'getok_ros[torch]'") from None
    tokenizer: Any = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=min(rows, 1500), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator([*WORDS, *CHAT], trainer)
    raw = json.loads(tokenizer.to_str())
    known = raw["model"]["vocab"]
    filler: Iterable[str] = (f"x{number}" for number in range(rows))
    for piece in filler:
        if len(known) >= rows:
            break
        known.setdefault(piece, len(known))
    special = [*CONTROL, *Vocabulary(n).tokens[: Vocabulary(n).text_start]]
    plain = dict.fromkeys(("normalized", "lstrip", "rstrip", "single_word"), False)
    raw["added_tokens"] = [
        {"id": len(known) + index, "content": token, "special": True, **plain} for index, token in enumerate(special)
    ]
    return BaseVocabulary.of(raw, n, "random")


def random_model(shape: str, vocabulary: BaseVocabulary, device: str, dtype: torch.dtype) -> Any:
    """The library's model of a shape with random weights, on the device. Raises ModelError without transformers."""
    try:
        import transformers
    except ImportError:
        raise ModelError("timing a large shape needs transformers: pip install 'getok_ros[torch]'") from None
    vendor: Any = transformers
    layers, width, within, heads, groups, _ = _TEXT[shape]
    eighth = width // heads // 8
    section = [eighth, 3 * eighth // 2, 3 * eighth // 2]
    rows = 64 * -(-(int(vocabulary.base_ids.max()) + 1) // 64)
    vision = _VISION if shape != "tiny" else {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2}
    full = {"fullatt_block_indexes": [7, 15, 23, 31] if shape != "tiny" else [1]}
    text = {
        "vocab_size": rows, "hidden_size": width, "intermediate_size": within, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": groups, "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": section},
        "rms_norm_eps": 1e-6, "tie_word_embeddings": shape == "3b",
        "bos_token_id": vocabulary.control(CONTROL[0]), "eos_token_id": vocabulary.control(CONTROL[2]),
    }  # fmt: skip
    names = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}
    ids = {f"{name}_token_id": vocabulary.control(f"<|{token}|>") for name, token in names.items()}
    config = vendor.Qwen2_5_VLConfig(
        text_config=text, vision_config={**vision, **full, "out_hidden_size": width, "window_size": 112},
        tie_word_embeddings=shape == "3b", **ids,
    )  # fmt: skip
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = vendor.Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    model.generation_config.pad_token_id = vocabulary.control(CONTROL[0])
    return model.eval()


def rows_of(shape: str) -> int:
    """Tokens of a shape's tokenizer, the language not counted."""
    return _TEXT[shape][-1] - 400 if shape != "tiny" else _TEXT[shape][-1]
