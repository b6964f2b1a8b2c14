"""Options of a supervised run of the nano, and the network and the feed that they ask for."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from getok_core.engines.nano_network import NanoConfig
from getok_core.queries import standard_vocabulary

from .feed import Feed
from .fleet import Fleet
from .samples import LENGTH

TINY = {"dim": 32, "layers": 2, "heads": 2, "hidden": 48, "neck": 16}
"""sizes of a network that a CPU trains in seconds, and that learns little"""


def arguments() -> argparse.ArgumentParser:
    """Options of a run; training.ablation takes the same."""
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--out", type=Path, default=Path("runs/nano"), help="folder of checkpoints; resumed when it has one")
    add("--minutes", type=float, default=0.0, help="training time of the whole run, resumed parts included")
    add("--samples", type=int, default=0, help="images drawn in the whole run")
    add("--pause", type=float, default=0.0, help="minutes after which this call stops; the same command goes on")
    add("--batch", type=int, default=256 if cuda else 16)
    add("--rate", type=float, default=1.5e-3 if cuda else 1e-3, help="peak learning rate")
    add("--backbone-rate", type=float, default=0.33, help="the backbone's share of the rate")
    add("--all", action="store_true", help="train every weight of the backbone, a quarter slower on a GPU")
    add(
        "--frozen-blocks",
        type=int,
        choices=range(17),
        default=3,
        metavar="0..16",
        help="first blocks of the backbone that keep ImageNet's weights: more of them, more samples a second",
    )
    add("--box-weight", type=float, default=1.0, help="what a corner of a box counts beside a vertex of a line")
    add("--lattice", type=int, choices=(16, 32, 64), default=32, help="cells a side")
    add("--tiny", action="store_true", help="a small network, to see that everything runs")
    add("--ema", type=float, default=0.999 if cuda else 0.998, help="decay of the averaged weights, per step")
    add("--dense-weight", type=float, default=1.0)
    add("--workers", type=int, default=15 if cuda else 1, help="processes that render")
    add("--pool", type=int, default=60_000 if cuda else 512, help="samples kept on the device")
    add("--first", type=int, default=2048 if cuda else 64, help="samples in the pool before the first step")
    add("--reuse", type=float, default=6.0 if cuda else 2.0, help="times a sample is drawn; beyond it training waits")
    add("--packs", type=int, default=1, help="packs of requests a sample carries")
    add("--length", type=int, default=LENGTH, help="text tokens in a pack")
    add("--threads", type=int, default=0, help="CPU threads of the network; 0 leaves torch's choice")
    add("--device", default="cuda" if cuda else "cpu")
    add("--compile", action=argparse.BooleanOptionalAction, default=cuda, help="compile the step; default on a GPU")
    add("--imagenet", type=Path, help="ImageNet weights as safetensors; default: those the package carries")
    add("--seed", type=int, default=0)
    add("--first-seed", type=int, default=2_000_000, help="number of the first sample")
    add("--no-photos", action="store_true", help="synthetic scenes only, no GETOK_DATA needed")
    add("--fleet", type=Path, help="labels of frames of your own, in any format that getok replay reads")
    add("--fleet-images", type=Path, help="folder of those frames; default: the labels' own")
    add("--fleet-share", type=float, default=0.3, help="share of the samples that are frames of your own")
    add("--fresh", action="store_true", help="do not resume")
    add("--show-s", type=float, default=20.0, help="seconds between progress lines")
    add("--save-s", type=float, default=240.0, help="seconds between checkpoints")
    return parser


def config_of(args: argparse.Namespace) -> NanoConfig:
    """The network that the options ask for."""
    sizes = TINY if args.tiny else {}
    frozen = (0, False) if args.all else (args.frozen_blocks, True)
    return NanoConfig(standard_vocabulary(args.lattice).size, n=args.lattice, frozen_blocks=frozen[0],
                      frozen_kernels=frozen[1], **sizes)  # fmt: skip


def feed_of(args: argparse.Namespace, config: NanoConfig) -> Feed:
    """What the options ask to train on. Raises DataError when a fleet's labels or images are not there."""
    fleet = Fleet(args.fleet, args.fleet_images or args.fleet.parent) if args.fleet else None
    if fleet and fleet.faults:
        print(f"getok: {args.fleet} has {len(fleet.faults)} faults, the first: {fleet.faults[0]}", file=sys.stderr)
    return Feed((config.width, config.height), photos=not args.no_photos, packs=args.packs, n=config.n,
                length=args.length, fleet=fleet, fleet_share=args.fleet_share)  # fmt: skip
