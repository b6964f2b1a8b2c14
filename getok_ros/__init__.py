"""A ROS 2 node, messages and a command line around getok_core. A checkout still finds the built getok_ros.msg."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
