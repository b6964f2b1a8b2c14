"""`ros2 launch FILE NAME:=VALUE ..` without ros2cli: a program for a Python of its own, given these words."""

from __future__ import annotations

RUN = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

file, *arguments = sys.argv[1:]
given = [tuple(argument.split(":=")) for argument in arguments]
service = LaunchService()
source = PythonLaunchDescriptionSource(file)
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(source, launch_arguments=given)]))
sys.exit(service.run())
"""
