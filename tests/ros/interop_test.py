"""What other people's tools see: markers in metres, detections, masks, and configurations that name our real topics."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: rclpy")

from builtin_interfaces.msg import Time
from live import running
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from getok_core.errors import CameraError
from getok_core.ground import Ground, Pose
from getok_core.lens import Lens
from getok_core.scene import DrivableArea, Lane, Light, Obstacle, Scene, Sign
from getok_ros import detections, transforms
from getok_ros.ground_projection import GroundProjection, lens_of
from getok_ros.images import image_to_rgb, mask_to_image
from getok_ros.interop import drivable_mask
from getok_ros.markers import scene_markers
from getok_ros.transforms import Transforms

GROUND = Ground(Lens((1000, 1000), (639.5, 359.5), (0, 0, 1280, 720)), Pose.mounted((1.5, 0, 1.4), (0, 0, 0)), 28.0)
SCENE = Scene(
    1280,
    720,
    lanes=(
        Lane("solid yellow", 0.9, np.array([[640.0, 500.0], [640.0, 200.0]])),
        Lane("edge", 0.9, np.array([[0.0, 10.0], [1280.0, 10.0]])),
    ),
    drivable_areas=(DrivableArea("drivable", 0.8, np.array([[500.0, 700.0], [640.0, 420.0], [780.0, 700.0]])),),
    obstacles=(Obstacle("car", 0.7, np.array([100.0, 200.0, 140.0, 230.0]), 7),),
    signs=(Sign("stop", "red", "clear", 0.6, np.array([1.0, 2.0, 3.0, 5.0])),),
    lights=(Light("green", 0.5, np.array([7.0, 8.0, 9.0, 12.0])),),
)


def test_lanes_and_areas_become_strips_on_the_ground_and_the_sky_is_left_out():
    clear, lane, area = scene_markers(SCENE, GROUND, Time(sec=7), "base_link").markers
    assert clear.action == Marker.DELETEALL
    assert (lane.ns, lane.type, lane.action) == ("lanes", Marker.LINE_STRIP, Marker.ADD)
    assert (lane.header.frame_id, lane.header.stamp.sec) == ("base_link", 7)
    assert np.allclose([(p.x, p.y, p.z) for p in lane.points], [[11.5, 0, 0], [29.5, 0, 0]])
    assert area.ns == "drivable_areas" and area.points[0] == area.points[-1] and len(area.points) >= 4
    assert lane.color != area.color and lane.color.a == area.color.a == 1.0
    assert lane.scale.x > 0 and lane.lifetime.sec == 1 and lane.pose.orientation.w == 1.0


def test_an_empty_scene_only_clears():
    assert len(scene_markers(Scene(1280, 720), GROUND, Time(), "base_link").markers) == 1


@pytest.mark.parametrize("text", ["", "1 2 3", "1 2 3 4 5 six", "1 2 nan 0 0 0", "0 0 inf 0 0 0", "1 2 3 4 5 6 7"])
def test_a_pose_that_is_none_is_refused(text):
    with pytest.raises(CameraError, match="give x y z roll pitch yaw"):
        Pose.read(text)


def test_a_camera_that_nods_sees_the_road_nearer():
    level, nodding = (Ground(GROUND.lens, Pose.read(f"1.5 0 1.4 0 {pitch} 0")) for pitch in (0, 0.1))
    line = np.array([[640.0, 500.0], [650.0, 600.0]])
    assert nodding.line(line, (1280, 720))[0][0, 0] < level.line(line, (1280, 720))[0][0, 0] == pytest.approx(11.5)


def info(**changes) -> CameraInfo:
    message = CameraInfo(width=1280, height=720, distortion_model="plumb_bob", d=[-0.1, 0.01, 0.0, 0.0, 0.0])
    message.k = np.array([900.0, 0, 639.5, 0, 900.0, 359.5, 0, 0, 1])
    message.p = np.array([800.0, 0, 600.0, 0, 0, 800.0, 300.0, 0, 0, 0, 1, 0])
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_camera_info_gives_the_lens_of_its_image():
    raw, flat = lens_of(info(), False), lens_of(info(), True)
    assert raw.distortion == (-0.1, 0.01, 0.0, 0.0, 0.0) and raw.focal == (900.0, 900.0)
    assert flat.distortion == () and flat.focal == (800.0, 800.0) and flat.centre == (600.0, 300.0)
    message = info()
    message.roi.x_offset, message.roi.y_offset, message.roi.width, message.roi.height = 320, 180, 640, 360
    assert lens_of(message, False).part == (320, 180, 640, 360)
    middle = np.array([[160.0, 90.0]])  # of the binned region: the middle of the sensor
    assert np.allclose(lens_of(message, False).rays(middle, (320, 180)), 0, atol=1e-9)


def test_an_uncalibrated_camera_and_a_foreign_lens_are_named():
    with pytest.raises(CameraError, match="calibrate it first"):
        lens_of(CameraInfo(width=640, height=480), False)
    with pytest.raises(CameraError, match="distortion model 'equidistant' is unknown"):
        lens_of(info(distortion_model="equidistant"), False)


def test_the_mask_of_a_scene_is_its_drivable_area():
    mask = image_to_rgb(drivable_mask(SCENE, Header()))[..., 0]
    assert mask.shape == (720, 1280)
    assert mask[690, 640] == 255 and mask[690, 300] == 0 and mask[400, 640] == 0


def test_a_mask_is_a_mono_image_of_the_frame():
    mask = np.zeros((5, 7), np.bool_)
    mask[2, 3:] = True
    message = mask_to_image(mask, Header(frame_id="front"))
    assert (message.encoding, message.width, message.height, message.step) == ("mono8", 7, 5, 7)
    assert message.header.frame_id == "front"
    assert (image_to_rgb(message)[..., 0] == 255 * mask).all()


def test_a_running_node_offers_them_while_someone_looks(tmp_path):
    with running(tmp_path, "-p", "camera_pose:='0 0 1.5 0 0.2 0'") as (process, client):
        masks, markers = list[Image](), list[MarkerArray]()
        client.subscribe(Image, "perception/drivable_mask", masks)
        client.subscribe(MarkerArray, "perception/markers", markers)
        lens = client.node.create_publisher(CameraInfo, "camera_info", 5)
        client.meet()
        client.wait(lens.get_subscription_count)
        scene = client.show(size=(64, 48))
        client.wait(lambda: masks)
        assert (masks[0].header, masks[0].width, masks[0].height) == (scene.header, 64, 48)
        process.wait_for(f"no markers: no CameraInfo has come on /{client.space}/camera_info")
        assert not markers
        lens.publish(info())
        client.wait(lambda: [client.show(size=(64, 48)), markers][1])
        strips = [marker for marker in markers[0].markers if marker.type == Marker.LINE_STRIP]
        assert strips and all(marker.header.frame_id == "base_link" for marker in strips)
        assert all(0 < point.x <= 61 for marker in strips for point in marker.points)


class Node:
    """As much of a node as a projection needs."""

    def create_subscription(self, kind, topic, callback, quality):
        self.hear = callback


def test_with_tf_the_pose_is_that_of_the_frame_and_its_absence_is_named(monkeypatch):
    turn = SimpleNamespace(x=-0.5, y=0.5, z=-0.5, w=0.5)  # x right, y down, z forward in x forward, y left, z up
    known = SimpleNamespace(transform=SimpleNamespace(translation=SimpleNamespace(x=1.5, y=0.0, z=1.4), rotation=turn))

    class Buffer:
        def lookup_transform(self, base, frame, time):
            if frame != "front":
                raise LookupError(f"{frame} does not exist")
            return known

    listeners = []

    class Listener:
        def __init__(self, *given):
            listeners.append(self)

        def unregister(self):
            listeners.remove(self)

    monkeypatch.setattr(transforms, "Buffer", Buffer)
    monkeypatch.setattr(transforms, "TransformListener", Listener, raising=False)
    monkeypatch.setattr(transforms, "TransformException", LookupError, raising=False)
    node = Node()
    heard = Transforms(node)
    GroundProjection(node, heard, "/camera_info", "base_link", "0 0 1 0 0 0", 60.0, False)
    assert not listeners, "who knows where it stands hears no tf"
    projection, _ = (GroundProjection(node, heard, "/camera_info", "base_link", "", 60.0, False) for _ in range(2))
    projection._on_info(info(distortion_model="rational_polynomial", d=[0.0] * 14))
    (piece,) = projection.ground("front").line(np.array([[640.0, 500.0], [640.0, 600.0]]), (1280, 720))
    assert piece[0] == pytest.approx([1.5 + 1.4 * 900 / 140, 0.0])
    with pytest.raises(CameraError, match=r"no transform base_link <- rear: rear does not exist; set camera_pose"):
        projection.ground("rear")
    assert len(listeners) == 1, "one for all cameras"
    heard.close()
    assert not listeners, "and a node configured again and again does not hear more and more"


def test_without_tf_the_pose_must_be_a_parameter(monkeypatch):
    monkeypatch.setattr(transforms, "Buffer", None)
    node = Node()
    projection = GroundProjection(node, Transforms(node), "/camera_info", "base_link", "", 60.0, False)
    with pytest.raises(CameraError, match="no CameraInfo has come on /camera_info"):
        projection.ground("front")
    node.hear(info())
    with pytest.raises(CameraError, match="set camera_pose"):
        projection.ground("front")


class Made(SimpleNamespace):
    """A message of vision_msgs: its fields, and nested ones on demand."""

    def __getattr__(self, name):
        setattr(self, name, Made())
        return self.__dict__[name]


def test_boxes_become_detections_where_vision_msgs_is_installed(monkeypatch):
    for name in ("BoundingBox2D", "Detection2D", "Detection2DArray", "ObjectHypothesisWithPose"):
        monkeypatch.setattr(detections, name, type(name, (Made,), {}), raising=False)
    array = detections.scene_detections(SCENE, Header(frame_id="front"))
    assert [d.results[0].hypothesis.class_id for d in array.detections] == ["car", "sign/red stop", "light/green"]
    assert [d.id for d in array.detections] == ["7", "", ""], "only what is tracked has one"
    car = array.detections[0]
    assert (car.bbox.center.position.x, car.bbox.center.position.y, car.bbox.size_x, car.bbox.size_y) == (
        120,
        215,
        40,
        30,
    )
    assert car.results[0].hypothesis.score == 0.7 and car.header.frame_id == array.header.frame_id == "front"


def test_without_vision_msgs_the_module_says_so():
    assert isinstance(sys.modules.get("vision_msgs"), ModuleType) or detections.Detection2DArray is None
