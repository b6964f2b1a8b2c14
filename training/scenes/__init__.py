"""A procedural driving world with exact truth: frames and everything the scene language can say about them. No torch."""

from .backgrounds import Backgrounds
from .world import Rendered, drive, render

__all__ = ["Backgrounds", "Rendered", "drive", "render"]
