"""The node: a lifecycle around a pipeline. Camera frames and queries in; scenes, answers and diagnostics out.

configure waits for a thread that loads the model, and diagnostics tell how far it is; activate reads the cameras;
deactivate forgets all frames; cleanup frees the model. Queries are answered in every state. Nothing here knows a model.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from time import monotonic
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.lifecycle import LifecycleNodeMixin, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from std_msgs.msg import Header

from getok_core.errors import GetokError
from getok_ros import msg
from getok_ros.admission import Admission, pending_of
from getok_ros.connections import Misfits
from getok_ros.diagnostics import diagnostics
from getok_ros.health import OK, EngineHealth, Part, QueryHealth
from getok_ros.loading import Loading, MakePerceiver, line_of
from getok_ros.memory import memory_values
from getok_ros.parameters import declare, declare_cameras, warn_unknown
from getok_ros.pipeline import EngineHangs, Pipeline
from getok_ros.replies import Replies
from getok_ros.setting_checks import ParameterError, changed
from getok_ros.settings import CAMERA_TABLE, TABLE

TICK_S = 0.1
"""how often queries and the engine are looked after"""


class PerceptionNode(LifecycleNodeMixin, Node):
    """Topics: image or NAME/image and query in; ~/scene, its parts, ~/answers, ~/overlay and /diagnostics out."""

    def __init__(self, make_perceiver: MakePerceiver, stop: threading.Event) -> None:
        """stop: ends the process when set; the node sets it when it cannot go on. Raises ParameterError."""
        try:
            Node.__init__(self, "perception")
        except InvalidParameterTypeException as error:  # of ROS itself, such as use_sim_time
            raise ParameterError(f"{error}: give a value of that type") from None
        LifecycleNodeMixin.__init__(self, callback_group=ReentrantCallbackGroup())  # configure waits
        self.error: GetokError | None = None
        """why the node cannot go on"""
        self._refused: GetokError | None = None
        self._starting = False
        self.settings = declare(self)
        self.cameras = declare_cameras(self, self.settings)
        warn_unknown(self, self.settings)
        self._make, self._stop = make_perceiver, stop
        self._pipeline: Pipeline | None = None
        self._loading: Loading | None = None
        self._done = Future()
        """of the loading"""
        self._engine, self._queries, self._admission = EngineHealth(), QueryHealth(), Admission()
        self._born_s, self._beats = monotonic(), 0
        self._replies = Replies(self, self._queries)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        asked = self.create_subscription(msg.Query, "query", self._on_query, QoSProfile(depth=100))
        self._dialogue, self._misfits = (asked, self._replies.publisher), Misfits(self)
        self.add_on_set_parameters_callback(self._on_parameters)
        steady = Clock(clock_type=ClockType.STEADY_TIME)  # simulated time may stand still
        self.create_timer(TICK_S, self._on_tick, clock=steady)
        self.create_timer(1.0, self._report, clock=steady)
        service = self._service_change_state
        service.callback = self._loaded_before(service.callback)

    # -- lifecycle ---------------------------------------------------------------------------------------------------

    async def autostart(self) -> None:
        """Configures and activates; ends the process when that fails."""
        self._starting, done = True, TransitionCallbackReturn.SUCCESS
        await self._loaded()
        if self.trigger_configure() != done or self.trigger_activate() != done:
            self.error = self._refused
            self._stop.set()
        self._starting = False

    def _loaded_before(self, change_state: Callable[..., Any]) -> Callable[..., Any]:
        """The service that changes state, but for a model that is loaded first: others are served meanwhile."""

        async def change(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            wanted = request.transition.label or request.transition.id
            if wanted in ("configure", Transition.TRANSITION_CONFIGURE) and self._pipeline is None:
                await self._loaded()
            return change_state(request, response)

        return change

    async def _loaded(self) -> None:
        """Returns when the model is loaded, or cannot be."""
        if self._loading is None:
            self._engine.loading(self.settings.device)
            self.get_logger().info(f"loading {self.settings.model or 'the default model'} on {self.settings.device}")
            self._done = Future(executor=self.executor)
            made = lambda done=self._done: done.set_result(None)  # noqa: E731
            self._loading = Loading(self._make, self.settings, self._engine.progress, made)
        await self._done

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Takes the model that has been loaded."""
        return self._transition(self._configure)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Reads the cameras."""
        return self._transition(self._configured.activate)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets all frames."""
        return self._transition(self._configured.deactivate)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Frees the model."""
        return self._transition(self._clean_up)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Ends the process."""
        self._stop.set()
        return TransitionCallbackReturn.SUCCESS

    def _transition(self, step: Callable[[], None]) -> TransitionCallbackReturn:
        """Runs the step. What goes wrong is one line, and the node stays in the state it was in."""
        try:
            step()
        except Exception as error:
            self._refused = error if isinstance(error, GetokError) else GetokError(line_of(error))
            if not self._starting:  # else main says it
                self.get_logger().error(str(self._refused))
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        loading, self._loading = self._loading, None
        if loading is None or loading.made is None:
            error = loading.error if loading is not None else None
            self._engine.unloaded(f"failed: {error or 'nothing was loaded'}")
            raise error or GetokError("no model was loaded: configure by the service change_state, or autostart")
        perceiver, model = loading.made
        kept = {*self.publishers, *self.subscriptions}
        try:
            self.cameras = declare_cameras(self, self.settings)
            self._pipeline = Pipeline(self, self.settings, self.cameras, perceiver, self._replies)
        except Exception as error:
            perceiver.close()
            self._withdraw_all_but(kept)
            self._engine.unloaded(f"failed: {error if isinstance(error, GetokError) else line_of(error)}")
            raise
        self._engine.ready(model)
        self.get_logger().info(f"{model} is ready on {self.settings.device}")

    def _withdraw_all_but(self, kept: Collection[Any]) -> None:
        for publisher in [one for one in self.publishers if one not in kept]:
            self.destroy_publisher(publisher)
        for subscription in [one for one in self.subscriptions if one not in kept]:
            self.destroy_subscription(subscription)

    @property
    def _configured(self) -> Pipeline:
        if self._pipeline is None:
            raise GetokError("the node is not configured: configure it first")
        return self._pipeline

    def _clean_up(self) -> None:
        if not self._configured.close():
            raise EngineHangs("the engine is still at a frame: clean up again when it is done, or end the process")
        self._pipeline = None
        self._engine.unloaded()

    # -- callbacks ---------------------------------------------------------------------------------------------------

    def _on_query(self, message: msg.Query) -> None:
        pending = pending_of(message, self.settings)
        fault = self._admission.put(pending, self.settings, self._pipeline)
        if fault is not None:
            self._replies.refuse(pending, Header(), *fault)

    def _on_parameters(self, parameters: Sequence[Any]) -> SetParametersResult:
        """New values, all or none; those of ROS itself are none of ours."""
        values = {p.name: p.value for p in parameters if self.has_parameter(p.name) and self._is_ours(p.name)}
        try:
            fixed = self._pipeline is not None or self._loading is not None
            self.settings, self.cameras = changed(self.settings, self.cameras, values, fixed)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if self._pipeline is not None:
            self._pipeline.configure(self.settings, self.cameras)
        return SetParametersResult(successful=True)

    def _is_ours(self, parameter: str) -> bool:
        camera, _, key = parameter.rpartition(".")
        return parameter in TABLE or (camera in self.settings.camera_names and key in CAMERA_TABLE)

    def _on_tick(self) -> None:
        try:
            if self._pipeline is not None:
                self._pipeline.sweep()
        except EngineHangs as error:
            self._engine.unloaded(f"failed: {error}")
            self.error = error
            self._report()
            self._stop.set()

    def _report(self) -> None:
        self._beats += 1
        cameras, waiting, busy_s = self._pipeline.report() if self._pipeline is not None else ([], 0, 0.0)
        state = self._state_machine.current_state[1]
        beat = {"state": state, "heartbeat": self._beats, "up [s]": f"{monotonic() - self._born_s:.0f}"}
        engine = self._engine.report(busy_s, memory_values())
        self._queries.qos = self._misfits.of(self._dialogue)
        parts = [Part("node", OK, state, beat), engine, *cameras, self._queries.report(waiting)]
        stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(diagnostics(self.get_fully_qualified_name(), self._engine.device, parts, stamp))

    def close(self) -> bool:
        """Ends the worker and answers what still waits. False when a thread is stuck in a load or a frame."""
        if self._pipeline is not None and not self._pipeline.close():
            self._pipeline.abandon()
            return False
        return self._loading is None or not self._loading.is_alive()
