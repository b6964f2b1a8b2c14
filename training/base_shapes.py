"""Published shapes of the bases, so that a run can be planned where no weights are.

Source: config.json of Qwen/Qwen2.5-VL-3B-Instruct and Qwen/Qwen2.5-VL-7B-Instruct on the Hugging Face hub (February
2025), and the two models' tokenizer.json. Built from them, parameter counts are the published 3.75 and 8.29 billion.

| | 3B | 7B |
|---|---|---|
| width, layers, feed-forward | 2048, 36, 11008 | 3584, 28, 18944 |
| heads, of keys and values | 16, 2 | 28, 4 |
| embedding rows, tied to the head | 151,936, yes | 152,064, no |
| vision: depth, width, feed-forward, heads | 32, 1280, 3420, 16 | the same |
| tokens of the tokenizer | 151,665 | the same |
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import Qwen2_5_VLConfig

from getok_core.vocabulary import Vocabulary

TOKENS = 151_665
"""ids of Qwen2.5's tokenizer, control tokens included: the language's begin there"""


@dataclass(frozen=True)
class Shape:
    """What differs between sizes."""

    width: int
    layers: int
    feed_forward: int
    heads: int
    key_heads: int
    rows: int
    tied: bool


SHAPES = {
    "Qwen2.5-VL-3B": Shape(2048, 36, 11008, 16, 2, 151_936, True),
    "Qwen2.5-VL-7B": Shape(3584, 28, 18944, 28, 4, 152_064, False),
}


def published(name: str) -> Qwen2_5_VLConfig:
    """The configuration of one of SHAPES."""
    shape = SHAPES[name]
    text = {"vocab_size": shape.rows, "hidden_size": shape.width, "intermediate_size": shape.feed_forward,
            "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_heads, "max_position_embeddings": 128_000, "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [16, 24, 24]},
            "tie_word_embeddings": shape.tied}  # fmt: skip
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "tokens_per_second": 2,
              "out_hidden_size": shape.width, "fullatt_block_indexes": [7, 15, 23, 31]}  # fmt: skip
    return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=shape.tied)


def new_ids(n: int = 32) -> range:
    """Base ids that the language of n x n cells gets in Qwen2.5's tokenizer."""
    return range(TOKENS, TOKENS + Vocabulary(n).text_start)
