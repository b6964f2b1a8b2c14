"""A tiny Qwen-VL with random weights and a real byte-level tokenizer: proves the large model's road on a CPU.

`python -m training.tiny_base FOLDER` writes one; `--language` as an exported model of ours, without it as a raw base.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoModelForImageTextToText, PreTrainedConfig, Qwen2_5_VLConfig, Qwen3_5Config, Qwen3VLConfig

from getok_core.engines.base_vocabulary import TOKENIZER
from getok_core.lattice import Size
from getok_core.queries import WORDS

from .base_folder import FAMILIES, TEMPLATE, TOKENIZER_CONFIG, add_language, seal

PATCH = {"qwen2_5_vl": 14, "qwen3_vl": 16, "qwen3_5": 16}
"""family -> pixels a side of a patch; the input is eight patches wide and high by default: 16 visual tokens"""
SPARE_ROWS = 200
"""embedding rows that no token uses, as in the 7B: new tokens fall partly on them"""
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
           "<|video_pad|>")  # fmt: skip
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""how Qwen's tokenizers cut text before they merge bytes"""


def tiny_base(folder: Path, n: int | None = None, view: Size | None = None, tied: bool = False, seed: int = 0,
              family: str = "qwen2_5_vl", rows: float = 1.0, real: Path | None = None) -> Path:  # fmt: skip
    """Writes a raw base into `folder`; with n, as an exported model that speaks the language of that lattice.

    The same seed gives the same weights. rows: how much longer those of embedding and head are than the library makes
    them; at 10 a word of the base can become likely although its own row stays as it is. family: a key of PATCH.
    real: a folder with the tokenizer.json of a Qwen model, to be used instead of our own. Returns the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.from_file(str(real / TOKENIZER)) if real else tiny_tokenizer()
    tokenizer.save(str(folder / TOKENIZER))
    settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
                "model_max_length": 32768, "chat_template": TEMPLATE}  # fmt: skip
    _write(folder / TOKENIZER_CONFIG, settings)
    added = add_language(folder, n) if n else []
    patch = PATCH[family]
    view = view or (8 * patch, 8 * patch)
    _write(folder / "preprocessor_config.json", preprocessor(view, patch))
    torch.manual_seed(seed)
    count = -(-(tokenizer.get_vocab_size() + max(SPARE_ROWS, len(added))) // 64) * 64
    model = AutoModelForImageTextToText.from_config(tiny_config(family, tokenizer, count, tied))
    with torch.no_grad():
        for module in {model.get_input_embeddings(), model.get_output_embeddings()}:
            module.weight *= rows
    model.generation_config.eos_token_id = tokenizer.token_to_id("<|im_end|>")
    model.save_pretrained(folder)
    if n:
        seal(folder, "tiny", f"{FAMILIES[family]}-tiny", n, view, "float32")
    return folder


def tiny_tokenizer() -> Tokenizer:
    """Byte-level pairs merged on our own prompts and labels, and Qwen's control tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        WORDS, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    return tokenizer


def tiny_config(family: str, tokenizer: Tokenizer, rows: int, tied: bool) -> PreTrainedConfig:
    """Two layers of width 64 over a vision tower of two; `rows` of embedding."""
    ids = {name: tokenizer.token_to_id(f"<|{token}|>") for name, token in (
        ("image_token_id", "image_pad"), ("video_token_id", "video_pad"),
        ("vision_start_token_id", "vision_start"), ("vision_end_token_id", "vision_end"))}  # fmt: skip
    text = {"vocab_size": rows, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
            "bos_token_id": tokenizer.token_to_id("<|endoftext|>"), "eos_token_id": tokenizer.token_to_id("<|im_end|>"),
            "tie_word_embeddings": tied}  # fmt: skip
    vision: dict[str, Any] = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2,
                              "out_hidden_size": 64}  # fmt: skip
    if family == "qwen2_5_vl":
        vision["fullatt_block_indexes"] = [1]
        return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **ids)
    text["head_dim"] = 16
    vision["num_position_embeddings"] = 64
    if family == "qwen3_vl":
        vision["deepstack_visual_indexes"] = [0]
        return Qwen3VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied, **ids)
    text |= {"layer_types": ["linear_attention", "full_attention"], "linear_num_key_heads": 2,
             "linear_num_value_heads": 2, "linear_key_head_dim": 16, "linear_value_head_dim": 16}  # fmt: skip
    text["rope_parameters"]["partial_rotary_factor"] = 1.0
    return Qwen3_5Config(text_config=text, vision_config=vision, tie_word_embeddings=tied, **ids)


def preprocessor(view: Size, patch: int = 14) -> dict[str, Any]:
    """preprocessor_config.json of a Qwen-VL base whose images have one size: the View resizes, nothing else does."""
    area = view[0] * view[1]
    return {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": area, "max_pixels": area,
            "patch_size": patch, "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711]}  # fmt: skip


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1))


def main() -> None:
    """`python -m training.tiny_base FOLDER`"""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", type=int, metavar="N", help="cells a side: write an exported model of ours")
    parser.add_argument("--family", choices=PATCH, default="qwen2_5_vl")
    parser.add_argument("--tied", action="store_true", help="one matrix for embedding and head, as in the 3B")
    args = parser.parse_args()
    print(tiny_base(args.folder, args.language, tied=args.tied, family=args.family))


if __name__ == "__main__":
    main()
