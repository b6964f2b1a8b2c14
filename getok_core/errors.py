"""A user's bad input, as one clear line: fact, value received, remedy. Commands print it and exit with 2."""


class GetokError(Exception):
    """Base of every error a user can mend."""


class ModelError(GetokError):
    """Model folder, manifest, device or weights."""


class ImageError(GetokError):
    """An image that cannot be read or whose description contradicts its bytes."""


class QueryError(GetokError):
    """Text, region or options of a question."""


class BagError(GetokError):
    """A recording: missing, empty, corrupt, or without the topic asked for."""


class DataError(GetokError):
    """A folder of data or labels that is missing or malformed."""


class CameraError(GetokError):
    """A camera's calibration, or where it stands."""
