"""The whole road of a large model, through the commands a user runs: from annotations to an answer by a server."""

import base64
import json

import cv2
import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoTokenizer

from getok_core.engines import load_engine
from getok_core.engines.qwen_pixels import Pixels
from getok_core.geometry import Box
from getok_core.manifest import read_manifest
from getok_core.perceiver import Perceiver
from getok_core.queries import question
from tests.core.chat_server import choice, serving
from tests.training.base_data import one_thread  # noqa: F401 (a fixture)
from training import grpo
from training.benchmarks.__main__ import main as score
from training.datasets.__main__ import main as convert
from training.export import export_large
from training.sft_base import main as train
from training.tiny_base import tiny_base

SIGNS = {"red": [8.0, 6.0, 30.0, 28.0], "blue": [44.0, 30.0, 70.0, 52.0]}
"""colour -> box in a frame of 80 x 60 pixels"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Two frames of a driving study, one sign in each, and its annotations."""
    folder = tmp_path_factory.mktemp("study")
    paint = {"red": (220, 30, 30), "blue": (30, 30, 220)}
    frames = []
    for colour, box in SIGNS.items():
        image = np.full((60, 80, 3), 90, np.uint8)
        left, top, right, bottom = map(int, box)
        image[top:bottom, left:right] = paint[colour]
        cv2.imwrite(str(folder / f"{colour}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        sign = {"shape": "square", "colour": colour, "box": box}
        frames.append({"image": f"{colour}.png", "size": [80, 60], "signs": [sign], "complete": ["signs"]})
    (folder / "study.jsonl").write_text("".join(json.dumps(frame) + "\n" for frame in frames))
    return folder


def served(folder):
    """What a chat server over the exported folder says, by the library's own classes alone."""
    tokenizer, pixels = AutoTokenizer.from_pretrained(folder), Pixels.read(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()

    def say(body):
        content = body["messages"][0]["content"]
        url = next(part["image_url"]["url"] for part in content if part["type"] == "image_url")
        raw = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        image = cv2.cvtColor(cv2.imdecode(raw, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        size = (image.shape[1], image.shape[0])
        text = tokenizer.apply_chat_template(body["messages"], tokenize=False, continue_final_message=True)
        text = text.replace("<|image_pad|>", "<|image_pad|>" * pixels.visual_tokens(size))
        ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]])
        seen = {"pixel_values": torch.from_numpy(pixels.patches(image)),
                "image_grid_thw": torch.tensor([pixels.grid(size)]),
                "mm_token_type_ids": (ids == model.config.image_token_id).int()}  # fmt: skip
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False,
                             tokenizer=tokenizer, stop_strings=["</answer>"], **seen)  # fmt: skip
        return choice(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))

    return say


def test_annotations_become_an_answer_from_a_server(study, tmp_path, capsys):
    # convert
    samples = tmp_path / "samples.jsonl"
    assert convert(["driving", str(study / "study.jsonl"), "--out", str(samples)]) == 0
    assert sum(1 for _ in samples.open()) == 4, "a list of signs and a question for each frame"

    # fine-tune a raw base until it knows these by heart
    base = tiny_base(tmp_path / "base", view=(112, 112), rows=10.0)
    options = {"base": base, "samples": samples, "images": study, "out": tmp_path / "sft", "lattice": 16, "view": 112,
               "batch": 4, "accumulate": 2, "steps": 90, "rate": 1e-2, "rows-rate": 3e-2, "dtype": "float32",
               "workers": 0, "refined": 0, "lora-rank": 16, "lora-alpha": 32, "log-every": 20}  # fmt: skip
    assert train([word for name, value in options.items() for word in (f"--{name}", str(value))]) == 0
    losses = [json.loads(line)["loss"] for line in (tmp_path / "sft" / "log.jsonl").open()]
    assert losses[-1] < 0.2 < losses[0]

    # merge, and score the merged folder
    tuned, rewarded = tmp_path / "Qwen-tuned", tmp_path / "Qwen-rewarded"
    assert export_large(tmp_path / "sft", tuned) == 0
    asked = ["--samples", str(samples), "--images", str(study), "--suite", "driving", "--format", "grid"]
    assert score([*asked, "--model", str(tuned)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("traffic sign: colour")]
    assert line.split()[3] == "100.0"

    # reinforce proposals and refinements, a step each, and merge again
    grpo.main(["--start", str(tuned), "--out", str(tmp_path / "rl"), "--proposing", "1", "--refining", "1",
               "--images", "1", "--accumulate", "1", "--questions", "1", "--group", "2", "--held-out", "0",
               "--tasks", "obstacles", "--rate", "1e-6", "--device", "cpu", "--threads", "1"])  # fmt: skip
    assert export_large(tmp_path / "rl", rewarded) == 0

    # serve, and ask
    with serving(served(rewarded), models=(read_manifest(rewarded).name,)) as server:
        perceiver = Perceiver(load_engine(rewarded, server.address))
        for colour, box in SIGNS.items():
            image = cv2.cvtColor(cv2.imread(str(study / f"{colour}.png")), cv2.COLOR_BGR2RGB)
            region = Box(np.reshape(box, (2, 2)))
            assert perceiver.ask(image, question("what colour is the sign?", region)).answer == colour
