"""A procedural driving world with exact truth: frames, and all that the scene language can say of them. No torch."""

from .backgrounds import Backgrounds
from .frame import Rendered
from .things import Thing
from .views import drive, render

__all__ = ["Backgrounds", "Rendered", "Thing", "drive", "render"]
