"""The node goes through the states of a managed node, tells how loading goes, and answers queries in every state."""

from __future__ import annotations

from pathlib import Path

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from live import Client, Process, plain, running, scene_of


def change(client: Client, label: str) -> bool:
    return client.call(ChangeState, "change_state", transition=Transition(label=label)).success


def state(client: Client) -> str:
    return client.call(GetState, "get_state").current_state.label


def refusal(client: Client, text: str = "hello") -> tuple[str, str]:
    """Kind and detail of the one fault of a query's answer."""
    (fault,) = client.ask(text).faults
    return fault.kind, fault.detail


def test_every_state_does_what_a_managed_node_promises(tmp_path: Path) -> None:
    with running(tmp_path, "-p", "autostart:=false", active=False, GETOK_TEST_LOAD="1.5") as (process, client):
        client.wait(client.queries.get_subscription_count)
        assert state(client) == "unconfigured"
        assert refusal(client) == (
            "inactive",
            "the node is not active: configure and activate it, or wait until it is ready",
        )
        assert refusal(client, " ") == ("bad query", "the question is empty: give its text")

        configuring = client.node.create_client(ChangeState, "perception/change_state")
        client.wait(configuring.service_is_ready)
        future = configuring.call_async(ChangeState.Request(transition=Transition(label="configure")))
        client.wait(lambda: client.status("engine")["message"] == "loading")
        assert client.status("engine")["step"] == "loading what was scripted"
        assert client.status("engine")["progress [%]"] == "25"
        assert refusal(client)[0] == "inactive"
        assert not future.done(), "queries, states and diagnostics were served while it loads"
        assert client.wait(lambda: future.done() and future.result()).success
        assert state(client) == "inactive"
        assert client.images.get_subscription_count() == 0
        assert client.set_parameter("model", "/x") == (
            "parameter model is fixed while the node is configured: clean up first"
        )

        assert change(client, "activate")
        client.meet().show()
        assert state(client) == "active"
        assert change(client, "deactivate")
        client.wait(lambda: client.images.get_subscription_count() == 0)
        assert refusal(client)[0] == "inactive"
        assert change(client, "cleanup")
        process.wait_for("the model is freed")
        client.wait(lambda: client.status("engine")["message"] == "unconfigured")
        assert client.set_parameter("model", "/x") == ""

        assert change(client, "configure") and change(client, "activate")
        process.wait_for("loading /x on cpu")
        client.meet().show()
        client.call(ChangeState, "change_state", transition=Transition(label="shutdown"))
        assert process.code() == 0


def test_a_model_at_work_is_not_freed_but_can_be_later(tmp_path: Path) -> None:
    with running(tmp_path, GETOK_TEST_SECONDS="5") as (process, client):
        client.publish(plain((1, 2, 3)))
        client.wait(lambda: float(client.status("engine")["at this frame for [s]"]) > 0)
        assert change(client, "deactivate")
        assert not change(client, "cleanup")
        process.wait_for("the engine is still at a frame: clean up again when it is done")
        assert state(client) == "inactive"
        client.spin(2.0)
        assert not client.scenes, "a deactivated node publishes no scene"
        assert change(client, "cleanup")
        process.wait_for("the model is freed")


def test_a_frame_of_before_the_deactivation_is_not_shown_after_it(tmp_path: Path) -> None:
    with running(tmp_path, GETOK_TEST_SECONDS="1.5") as (_, client):
        client.publish(plain((1, 2, 3)))
        client.wait(lambda: float(client.status("engine")["at this frame for [s]"]) > 0)
        assert change(client, "deactivate") and change(client, "activate")
        client.meet().show((4, 5, 6))
        assert [scene.obstacles[0].label for scene in client.scenes] == ["#040506"]


def test_cameras_come_and_go_while_the_node_is_unconfigured(tmp_path: Path) -> None:
    with running(tmp_path, "-p", "cameras:=[front, left]", client={"cameras": ("front", "left")}) as (process, client):
        assert client.set_parameter("cameras", ["left"]).endswith("clean up first")
        assert change(client, "deactivate") and change(client, "cleanup")
        assert client.set_parameter("cameras", ["left", "left"]).startswith("parameter cameras has 2 names")
        assert client.set_parameter("cameras", ["left", "rear"]) == ""
        assert change(client, "configure") and change(client, "activate")
        process.wait_for(f"reading /{client.space}/rear/image")
        header = client.publish(plain((7, 7, 7)), 1)
        client.wait(lambda: scene_of(client, header))
        assert client.status("rear/images")["publishers"] == "0"
        (fault,) = client.ask("hello", camera="front").faults
        assert (fault.kind, fault.detail) == ("bad query", "camera 'front' is unknown: use one of left, rear")


def test_a_wrong_model_is_refused_in_one_line_and_the_node_lives_on(tmp_path: Path) -> None:
    why = "no model: give one"
    with running(tmp_path, "-p", "autostart:=false", active=False, GETOK_TEST_LOAD=why) as (process, client):
        assert not change(client, "configure")
        assert process.output.count(why) == 1
        assert state(client) == "unconfigured"
        client.wait(lambda: client.status("engine")["message"] == f"failed: {why}")
        assert client.status("engine")["level"] == "2"
        assert not change(client, "activate")
        assert state(client) == "unconfigured"


def test_a_topic_of_another_type_stops_a_transition_half_way_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    clashing = {"configure": "~/scene:=camera_info", "activate": "image:=camera_info"}
    for wanted, remap in clashing.items():
        with running(tmp_path, "-r", remap, "-p", "autostart:=false", active=False) as (process, client):
            client.wait(client.queries.get_subscription_count)
            assert change(client, "configure") == (wanted == "activate")
            assert not change(client, "activate")
            process.wait_for("incompatible type")
            assert state(client) == ("inactive" if wanted == "activate" else "unconfigured")
            assert refusal(client)[0] == "inactive"
            if wanted == "configure":
                process.wait_for("the model is freed")
                scene = f"/{client.space}/camera_info"
                client.wait(lambda client=client, scene=scene: not client.node.count_publishers(scene))
                client.wait(lambda client=client: client.status("engine")["message"].startswith("failed: RCLError"))


def test_parameters_change_at_work_within_their_bounds(tmp_path: Path) -> None:
    with running(tmp_path) as (_, client):
        assert "out of range" in client.set_parameter("refinements", 9)
        assert client.set_parameter("queries", ["is it wet?", "a" * 501]).startswith("parameter queries: the question")
        assert client.set_parameter("overlay", False).endswith("clean up first")
        assert "out of range" in client.set_parameter("max_age_s", float("nan"))
        assert client.set_parameter("deadline_s", "fast") != ""
        assert client.show() and not client.answers
        assert client.set_parameter("queries", ["is it wet?"]) == ""
        client.show()
        assert client.wait(lambda: client.answers and client.answers[0]).id == "is it wet?"
        assert client.set_parameter("query_limit", 1) == ""
        assert client.set_parameter("query_rate_hz", 0.001) == ""
        kinds = [fault.kind for _ in range(2) for fault in client.ask("more?").faults]
        assert kinds == ["too many queries"]


def test_an_engine_that_hangs_ends_the_node_with_one_line_and_code_3(tmp_path: Path) -> None:
    process = Process(tmp_path, "--namespace", "hanging", "--ros-args", "-p", "hang_timeout_s:=0.5")
    client = Client("hanging").meet()
    try:
        client.show()
        answer = client.ask("hang")
        assert [fault.kind for fault in answer.faults] == ["failed"]
        assert "silent on one frame for" in answer.faults[0].detail
        assert process.code() == 3
        lines = [line for line in process.output.splitlines() if "getok-node:" in line]
        assert len(lines) == 1 and "hang_timeout_s is 0.5: start the node anew" in lines[0]
        client.wait(lambda: client.status("engine")["message"].startswith("failed: the engine has been silent"))
    finally:
        client.close()


def test_diagnostics_and_time_outs_go_on_while_simulated_time_stands_still(tmp_path: Path) -> None:
    with running(tmp_path, "-p", "use_sim_time:=true", "-p", "query_wait_s:=0.2") as (_, client):
        assert refusal(client)[0] == "no frame"
        first = int(client.status("node")["heartbeat"])
        client.wait(lambda: int(client.status("node")["heartbeat"]) > first)
        client.show()
