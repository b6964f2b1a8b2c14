"""The process of the node: arguments in, one line and an exit code out. The node itself is in managed_node."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from getok_core.errors import GetokError
from getok_core.protocol import Progress
from getok_ros.arguments import ros_arguments
from getok_ros.fresh_ports import fresh_ports
from getok_ros.loading import MakePerceiver, Perceives, line_of
from getok_ros.managed_node import PerceptionNode
from getok_ros.pipeline import EngineHangs
from getok_ros.settings import Settings
from getok_ros.share import default_model


def load_perceiver(settings: Settings, progress: Progress) -> tuple[Perceives, str]:
    """The perceiver of the model folder in the settings, with its name and digest. Raises ModelError."""
    from getok_core.engines import load_engine
    from getok_core.perceiver import Perceiver

    folder = Path(settings.model) if settings.model else default_model()
    engine = load_engine(folder, settings.device, settings.threads, progress, settings.engine)
    return Perceiver(engine), engine.manifest.title


def main(argv: Sequence[str] | None = None, make_perceiver: MakePerceiver = load_perceiver) -> int:
    """`getok-node`: runs until SIGINT, SIGTERM or the lifecycle's shutdown.

    Returns 0; after one line on what is wrong, 2 for bad input and 3 for an engine that hangs.
    """
    stop = threading.Event()
    _on_signals(lambda *_: stop.set())
    node = None
    try:
        arguments = ros_arguments(sys.argv[1:] if argv is None else argv)
        with fresh_ports(os.environ):
            _init(arguments)
            node = PerceptionNode(make_perceiver, stop)
        _spin(node, stop)
        error = node.error
    except GetokError as bad:
        error = bad
    _on_signals(signal.SIG_IGN)  # Python would let a second signal kill it while it shuts down
    done = node.close() if node else True
    if node:
        node.destroy_node()
    if rclpy.ok():
        rclpy.shutdown()
    if error:
        print(f"getok-node: {error}", file=sys.stderr)
    code = (3 if isinstance(error, EngineHangs) else 2) if error else 0
    if not done:  # a thread inside native code would crash the interpreter on its way out
        sys.stderr.flush()
        os._exit(code)
    return code


def _on_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _init(arguments: Sequence[str]) -> None:
    try:
        rclpy.init(args=["getok-node", *arguments], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # RCLError and its kin live in a private module
        reason = str(error).split(", at ")[0]
        raise GetokError(f"ROS refuses the arguments {' '.join(arguments)}: {' '.join(reason.split())}") from None


def _spin(node: PerceptionNode, stop: threading.Event) -> None:
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    if node.settings.autostart:
        executor.create_task(node.autostart)
    while rclpy.ok() and not stop.is_set():
        try:
            executor.spin_once(timeout_sec=0.2)
        except ExternalShutdownException:
            break
        except Exception as error:  # rclpy itself raises at some requests, such as a parameter of a type there is not
            node.get_logger().error(f"a request was not understood: {line_of(error)}", throttle_duration_sec=1.0)
    executor.shutdown()


if __name__ == "__main__":
    sys.exit(main())
