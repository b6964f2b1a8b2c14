"""The Qwen engine on a tiny random model: the library's numbers and the plain loop's tokens, batched, guessed."""

import gc
from dataclasses import replace
from functools import partial
from weakref import ref

import numpy as np
import pytest
import torch

from getok_core.engines import load_engine
from getok_core.engines.anchored_engine import AnchoredEngine
from getok_core.engines.chat import Chat
from getok_core.engines.qwen_decoding import Decoder
from getok_core.engines.qwen_network import QwenNetwork, read_qwen
from getok_core.engines.qwen_pixels import Pixels
from getok_core.engines.torch_engine import TorchEngine
from getok_core.errors import ModelError
from getok_core.grammar import parse
from getok_core.lattice import Lattice
from getok_core.manifest import read_manifest
from getok_core.perceiver import Perceiver
from getok_core.protocol import Limits, Request, Sampling
from getok_core.queries import STANDING, TASKS, question
from getok_core.refine import Draft
from getok_core.syntax import AnswerForm
from getok_core.vocabulary import ANSWER, DELETE, END_ANSWER, GRID_START, OPEN
from training.tiny_base import tiny_base

N = 16
TEN = slice(DELETE, DELETE + 10)
IMAGES = [np.random.default_rng(seed).integers(0, 256, (112, 112, 3), dtype=np.uint8) for seed in range(2)]


@pytest.fixture(scope="module", params=[(112, 112), (140, 84)], ids=["equal windows", "unequal windows"])
def folder(request, tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("tiny"), N, request.param)


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""where there is a GPU, these tests compare its graphs with the plain loop, in fp32"""


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """The fast engine and the plain one over the same weights."""
    torch.set_num_threads(1)
    home = tiny_base(tmp_path_factory.mktemp("tiny"), N)
    manifest, model = read_manifest(home), read_qwen(home, DEVICE, torch.float32)
    return TorchEngine.of(model, home, manifest), TorchEngine.of(model, home, manifest, plain=True)


def asked(engine, *queries) -> list[Request]:
    every = queries or STANDING
    view = engine.manifest.view
    return [Request(one.prompt(engine.vocabulary, Lattice(N), view), one.form) for one in every]


@torch.no_grad()
def test_logits_are_the_library_s(folder):
    manifest, model = read_manifest(folder), read_qwen(folder, "cpu", torch.float32)
    engine = TorchEngine(folder, manifest)
    width, height = manifest.view
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    chat, prompt = Chat(engine.vocabulary), asked(engine)[0].prompt
    ids = torch.tensor([[*chat.opening(width * height // 784), *chat.turns(prompt)[0]]])
    grid = torch.tensor([[1, height // 14, width // 14]])
    patches = torch.from_numpy(Pixels().patches(image))
    wanted = model(input_ids=ids, pixel_values=patches, image_grid_thw=grid, attention_mask=torch.ones_like(ids),
                   mm_token_type_ids=(ids == chat.image).int()).logits[0, -1]  # fmt: skip
    network = QwenNetwork(model, engine.base, manifest.view, Pixels())
    seen = model.model.visual(patches, grid_thw=grid).pooler_output
    torch.testing.assert_close(network.vision.look(torch.tensor(image)), seen, atol=1e-5, rtol=1e-5)
    engine = TorchEngine.of(model, folder, manifest)
    with engine.open([image]):
        found = engine.passes.last_logits([chat.turns(prompt)[0]])[0]
    ours = wanted[network.base_ids].numpy()
    counted = np.isfinite(found)
    np.testing.assert_allclose(found[counted], ours[counted], atol=1e-5)
    assert counted[: engine.vocabulary.text_start].all(), "only second ids of the language's tokens are left out"


def same(fast, plain) -> None:
    for one, other in zip(fast, plain, strict=True):
        np.testing.assert_array_equal(one.ids, other.ids)
        assert one.stop == other.stop
        for name in ("logp", "logp_legal", "logp_near"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def test_a_batch_says_what_the_plain_loop_says(engines):
    """Lists, boxes, free text, options, an answer that was begun; two images; another budget."""
    fast, plain = engines
    lanes = asked(fast)[0]
    begun = replace(
        lanes, form=lanes.form.one(), begun=(*fast.vocabulary.encode_text("curb"), OPEN["pl"], GRID_START + 9)
    )
    queries = [question("how many wheels?"), question("what colour?", options=("red", "dark red", "none"))]
    requests = [*asked(fast), *asked(fast, *queries), begun]
    requests += [replace(requests[index], frame=1) for index in (0, 2)]
    for tokens in (18, 7):
        with fast.open(IMAGES) as one, plain.open(IMAGES) as other:
            same(one.propose(requests, Limits(tokens)), other.propose(requests, Limits(tokens)))


def test_guesses_save_steps_and_change_nothing(engines):
    fast, _ = engines
    box = asked(fast, STANDING[2])
    with fast.open(IMAGES[:1]) as frames:
        reply = frames.propose(box, Limits(24))[0]
    parsed = parse(reply.ids, fast.vocabulary, box[0].form)
    assert not parsed.faults and parsed.instances
    one_by_one = len(reply.ids) - 1
    assert fast.decoder.steps <= one_by_one - 2 * len(parsed.instances), "of a box both tags come with what led there"


def test_a_round_reads_what_the_sequence_up_to_each_vertex_says(engines):
    fast, _ = engines
    query, request = STANDING[1], asked(fast, STANDING[1])[0]
    with fast.open(IMAGES[:1]) as frames:
        reply = frames.propose([request], Limits(14))[0]
        instances = parse(reply.ids, fast.vocabulary, query.form).instances
        draft = Draft.of(request.prompt, tuple(reply.ids[:-1].tolist()), instances)
        read = frames.refine([draft, draft.apply(np.full(draft.slots, DELETE + 5))], Limits())
        ids, places = draft.sequence(fast.vocabulary)
        ten = [fast.passes.last_logits([fast.network.chat.turns(ids[: at + 1])[0]])[0, TEN] for at in places]
    assert [len(one.ids) for one in read] == [draft.slots] * 2
    logp = np.asarray([row - np.logaddexp.reduce(row) for row in ten])
    np.testing.assert_allclose(read[0].logp, logp[np.arange(len(logp)), read[0].ids - DELETE], atol=1e-4)


def test_what_the_device_does_not_follow_is_decoded_by_the_host(engines):
    fast, plain = engines
    free = replace(asked(fast)[0], sampling=Sampling(constrained=False))
    with fast.open(IMAGES[:1]) as one, plain.open(IMAGES[:1]) as other:
        same(one.propose([asked(fast)[4], free], Limits(6)), other.propose([asked(fast)[4], free], Limits(6)))


def test_a_sampled_answer_depends_on_its_seed_alone(engines):
    fast, _ = engines
    hot = [replace(asked(fast)[0], sampling=Sampling(1, 1.0, seed)) for seed in (1, 2, 1)]
    with fast.open(IMAGES[:1]) as frames:
        first, second, third = frames.propose(hot, Limits(12))
        alone = frames.propose(hot[:1], Limits(12))[0]
        with_cold = frames.propose([asked(fast)[1], hot[0]], Limits(12))[1]
    for other in (third, alone, with_cold):
        np.testing.assert_array_equal(first.ids, other.ids)
    assert first.ids.tolist() != second.ids.tolist()
    assert parse(first.ids, fast.vocabulary, hot[0].form).faults == ()


def test_past_the_deadline_nothing_more_is_read(engines):
    with engines[0].open(IMAGES[:1]) as frames:
        replies = frames.propose(asked(engines[0]), Limits(30, deadline_s=0.0))
    assert {reply.stop for reply in replies} == {"deadline"}
    assert {len(reply.ids) for reply in replies} == {1}


def test_a_scene_is_the_plain_loop_s(engines):
    fast, plain = (Perceiver(engine, 1) for engine in engines)
    tokens = {"manifest": replace(engines[0].manifest, tokens=14)}
    for perceiver in (fast, plain):
        vars(perceiver).update(tokens)
    one, other = fast.perceive(IMAGES[0]).to_json(), plain.perceive(IMAGES[0]).to_json()
    for scene in (one, other):
        scene.pop("seconds")
    assert str(one) == str(other)


def test_nonsense_is_refused(engines):
    fast = engines[0]
    with pytest.raises(ValueError, match="images of shape"):
        fast.open([IMAGES[0][:50]])
    bad = replace(asked(fast)[0], begun=(END_ANSWER,))
    with fast.open(IMAGES[:1]) as frames, pytest.raises(ValueError, match="begins no answer"):
        frames.propose([bad], Limits(9))
    with fast.open(IMAGES[:1]) as frames, pytest.raises(ModelError, match="at most 2048"):
        frames.propose([Request((40,) * 2100, AnswerForm("text"))], Limits(9))


def test_lists_longer_than_a_device_remembers_are_left_to_the_host(engines):
    long = replace(asked(engines[0], STANDING[2])[0], form=replace(TASKS["obstacles"].form, instances=100))
    with engines[0].open(IMAGES[:1]) as one, engines[1].open(IMAGES[:1]) as other:
        same(one.propose([long], Limits(8)), other.propose([long], Limits(8)))


def test_a_qwen_folder_is_loaded_by_its_manifest(folder):
    engine = load_engine(folder)
    assert isinstance(engine, TorchEngine) and engine.network is not None
    made, image = len(engine.replays), np.zeros((90, 160, 3), np.uint8)
    for mode in (engine, AnchoredEngine(engine)):
        Perceiver(mode, 1).perceive(image)
    assert len(engine.replays) == made, "no frame waits until a graph is made"
    with engine.open([np.zeros((engine.manifest.view[1], engine.manifest.view[0], 3), np.uint8)]) as frames:
        assert frames.propose(asked(engine)[:1], Limits(5))[0].stop in ("end", "cap")
    engine.close()
    with pytest.raises(RuntimeError, match="not loaded"):
        engine.open([])


def test_prompts_longer_than_one_pass_are_read_in_several(engines):
    """Four questions of 600 tokens are more than the tokens of a pass."""
    fast, plain = engines
    long = [Request((*[fast.vocabulary.text_start + 40 + k] * 590, ANSWER), TASKS["lanes"].form) for k in range(4)]
    with fast.open(IMAGES[:1]) as one, plain.open(IMAGES[:1]) as other:
        same(one.propose(long, Limits(3)), other.propose(long, Limits(3)))


def test_engines_over_one_model_share_its_weights(engines):
    """A second engine copies nothing: each of the others' products reads the same memory."""
    fast, plain = (engine.network.language.layers for engine in engines)
    for one, other in zip(fast, plain, strict=True):
        assert one.qkv.data_ptr() == other.qkv.data_ptr() and torch.equal(one.qkv, other.qkv)
        assert one.gate_up.data_ptr() == other.gate_up.data_ptr() and one.gate_up.shape == other.gate_up.shape


def test_what_torch_compiles_says_the_same(engines, monkeypatch):
    """Every piece is one trace without a break: where a value is fetched on the way, torch would refuse it here."""
    home, request = engines[0].folder, asked(engines[0], STANDING[2])
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager", fullgraph=True))
    engine = TorchEngine.of(read_qwen(home, DEVICE, torch.float32), home, engines[0].manifest)
    engine.decoder = Decoder(engine.network, engine.passes, engine.replays, guesses=0)
    with engine.open(IMAGES[:1]) as frames:
        frames.propose(request, Limits(2))  # the vocabulary works out its own numbers first
    engine.compile()
    with engine.open(IMAGES[:1]) as one, engines[0].open(IMAGES[:1]) as other:
        same(one.propose(request, Limits(4)), other.propose(request, Limits(4)))


def test_weights_in_8_bits_take_the_place_of_the_larger_ones(engines):
    """The fast engine says what the plain one says over the same rounded weights, and what they were is freed."""
    home, manifest = engines[0].folder, engines[0].manifest
    model = read_qwen(home, DEVICE, torch.float32)
    fast, plain = TorchEngine.of(model, home, manifest), TorchEngine.of(model, home, manifest, plain=True)
    larger = [ref(layer.down) for one in (fast, plain) for layer in one.network.language.layers]
    fast.shrink()
    plain.shrink()
    with fast.open(IMAGES[:1]) as one, plain.open(IMAGES[:1]) as other:
        same(one.propose(asked(fast), Limits(10)), other.propose(asked(plain), Limits(10)))
    del model
    gc.collect()
    assert not any(weight() is not None for weight in larger)
