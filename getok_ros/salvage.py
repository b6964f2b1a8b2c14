"""What can still be read of a damaged recording: whole messages, in the order of the file, and a line for each loss.

Used only where rosbags refuses a file. Layouts: mcap.dev/spec, the tables of rosbag2's sqlite3 plugin, and
wiki.ros.org/Bags/Format/2.0; of a record that is cut off or fails its checksum, nothing is guessed.
"""

from __future__ import annotations

import bz2
import sqlite3
import struct
import sys
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote

import lz4.frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUFFIXES = (".mcap", ".db3", ".bag")
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
MISSES = 10_000
"""rows of a database that may fail one after the other before the rest counts as lost"""


class Message(NamedTuple):
    """One recorded message."""

    topic: str
    type: str
    """such as sensor_msgs/msg/Image"""
    received_ns: int
    raw: bytes
    """CDR; of a rosbag1 as ROS 1 wrote it"""


def salvage(file: Path, lost: list[str]) -> Iterator[Message]:
    """Every whole message of a .mcap, .db3 or .bag file; appends what is missing to lost, a line each."""
    scan = {".mcap": _scan_mcap, ".db3": _scan_sqlite3, ".bag": _scan_rosbag1}[file.suffix]
    for message in scan(file, lost):
        packed = message.raw.startswith(ZSTD_MAGIC)  # rosbag2's compression of single messages
        yield message._replace(raw=zstd.decompress(message.raw)) if packed else message


# -- mcap ----------------------------------------------------------------------------------------------------------

_SCHEMA, _CHANNEL, _MESSAGE, _CHUNK, _DATA_END, _FOOTER = 3, 4, 5, 6, 15, 2


class _Mcap:
    """Schemas and channels seen so far."""

    def __init__(self) -> None:
        self.types: dict[int, str] = {}
        self.channels: dict[int, tuple[str, str]] = {}

    def read(self, op: int, body: bytes) -> Message | None:
        if op == _SCHEMA:
            self.types[int.from_bytes(body[:2], "little")] = _text(body, 2)[0]
        elif op == _CHANNEL:
            number, schema = struct.unpack_from("<HH", body)
            self.channels[number] = _text(body, 4)[0], self.types.get(schema, "")
        elif op == _MESSAGE:
            number, _, received = struct.unpack_from("<HIQ", body)
            if number in self.channels:
                return Message(*self.channels[number], received, body[22:])
        return None


def _scan_mcap(path: Path, lost: list[str]) -> Iterator[Message]:
    known = _Mcap()
    with path.open("rb") as file:
        file.seek(8)
        for _, op, body in _records(file, path.name, []):  # the end of the file tells what a corrupt chunk cannot
            known.read(op, body)
        file.seek(8)
        for at, op, body in _records(file, path.name, lost):
            if op in (_DATA_END, _FOOTER):
                return
            if op != _CHUNK:
                if (one := known.read(op, body)) is not None:
                    yield one
                continue
            try:
                inner = _unpacked(body)
            except Exception as error:  # each compression has its own
                lost.append(f"{path.name}: the chunk at byte {at} is corrupt ({error}): its messages are lost")
                continue
            for _, op_within, within in _records(BytesIO(inner), path.name, []):
                if (one := known.read(op_within, within)) is not None:
                    yield one


def _records(file: BinaryIO, name: str, lost: list[str]) -> Iterator[tuple[int, int, bytes]]:
    """Place, opcode and body of each whole record from where the file stands, and of a chunk that is cut off."""
    while True:
        at, head = file.tell(), file.read(9)
        op, length = (head[0], int.from_bytes(head[1:], "little")) if len(head) == 9 else (0, 0)
        body = file.read(min(length, 1 << 40)) if 0 < op <= _DATA_END else b""
        if not op or op > _DATA_END or len(body) < length:
            lost.append(f"{name} is cut off at byte {at}: what followed is lost")
            if op == _CHUNK and len(body) > 40:
                yield at, op, body
            return
        yield at, op, body


def _unpacked(body: bytes) -> bytes:
    """The records of a chunk, as many as are there. Raises ValueError when they are not what the chunk announces."""
    size, checksum = struct.unpack_from("<QI", body, 16)
    compression, at = _text(body, 28)
    packed = body[at + 8 : at + 8 + int.from_bytes(body[at : at + 8], "little")]
    unpack = {"": bytes, "lz4": lz4.frame.LZ4FrameDecompressor().decompress, "zstd": zstd.ZstdDecompressor().decompress}
    data = unpack[compression](packed)
    if len(data) == size and checksum and zlib.crc32(data) != checksum:
        raise ValueError("its checksum is wrong")
    return data


def _text(body: bytes, at: int) -> tuple[str, int]:
    """A string with its length before it, and where it ends."""
    end = at + 4 + int.from_bytes(body[at : at + 4], "little")
    return body[at + 4 : end].decode(errors="replace"), end


# -- sqlite3 -------------------------------------------------------------------------------------------------------


def _scan_sqlite3(path: Path, lost: list[str]) -> Iterator[Message]:
    database = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    try:
        database.execute("PRAGMA writable_schema=ON")  # SQLite then opens a file shorter than its header says
        topics = {number: (name, kind) for number, name, kind in database.execute("SELECT id, name, type FROM topics")}
        yield from _rows(database, topics, path.name, lost)
    except sqlite3.DatabaseError as error:
        lost.append(f"{path.name}: its tables cannot be read ({error}): all of it is lost")
    finally:
        database.close()


def _rows(database: Any, topics: dict[int, tuple[str, str]], name: str, lost: list[str]) -> Iterator[Message]:
    """Row after row by number; rows on damaged pages are left out."""
    at, misses, gap = 0, 0, 0
    while misses < MISSES:
        try:
            row = database.execute(
                "SELECT id, topic_id, timestamp, data FROM messages WHERE id > ? ORDER BY id LIMIT 1", (at,)
            ).fetchone()
        except sqlite3.DatabaseError:
            gap = gap or at + 1
            at, misses = at + 1, misses + 1
            continue
        if row is None:
            break
        if gap:
            lost.append(f"{name}: messages {gap} to {row[0] - 1} cannot be read")
        at, misses, gap = row[0], 0, 0
        if row[1] in topics:
            yield Message(*topics[row[1]], row[2], bytes(row[3]))
    if gap:
        lost.append(f"{name}: messages from number {gap} on cannot be read")


# -- rosbag1 -------------------------------------------------------------------------------------------------------

_OP_MESSAGE, _OP_CHUNK, _OP_CONNECTION = b"\2", b"\5", b"\7"
_UNPACK = {b"none": bytes, b"bz2": bz2.decompress, b"lz4": lz4.frame.decompress}


def _scan_rosbag1(path: Path, lost: list[str]) -> Iterator[Message]:
    topics: dict[int, tuple[str, str]] = {}
    with path.open("rb") as file:
        if file.readline() != b"#ROSBAG V2.0\n":
            lost.append(f"{path.name} does not begin as a rosbag1 of version 2.0")
            return
        begin = file.tell()
        for _, fields, body in _fields(file, path.name, []):  # the end of the file tells what a corrupt chunk cannot
            _name_topic(topics, fields, body)
        file.seek(begin)
        for at, fields, body in _fields(file, path.name, lost):
            if fields.get("op") != _OP_CHUNK:
                continue
            try:
                inner = _UNPACK[fields["compression"]](body)
            except Exception as error:  # each compression has its own
                lost.append(f"{path.name}: the chunk at byte {at} is corrupt ({error}): its messages are lost")
                continue
            for _, within, raw in _fields(BytesIO(inner), path.name, lost):
                _name_topic(topics, within, raw)
                number = int.from_bytes(within.get("conn", b""), "little")
                if within.get("op") == _OP_MESSAGE and number in topics:
                    sec, nanosec = struct.unpack("<II", within["time"])
                    yield Message(*topics[number], sec * 10**9 + nanosec, raw)


def _name_topic(topics: dict[int, tuple[str, str]], fields: dict[str, bytes], body: bytes) -> None:
    """Keeps name and type of the topic that a connection record describes."""
    if fields.get("op") == _OP_CONNECTION:
        kind = dict(_named(body)).get("type", b"").decode(errors="replace").replace("/", "/msg/")
        topics[int.from_bytes(fields["conn"], "little")] = fields["topic"].decode(errors="replace"), kind


def _fields(file: BinaryIO, name: str, lost: list[str]) -> Iterator[tuple[int, dict[str, bytes], bytes]]:
    """Place, header fields and data of each whole record."""
    while True:
        at, parts = file.tell(), []
        for _ in range(2):
            head = file.read(4)
            length = int.from_bytes(head, "little")
            part = file.read(length)
            if len(head) < 4 or len(part) < length:
                if head or parts:
                    lost.append(f"{name} is cut off at byte {at}: what followed is lost")
                return
            parts.append(part)
        yield at, dict(_named(parts[0])), parts[1]


def _named(header: bytes) -> Iterator[tuple[str, bytes]]:
    at = 0
    while at + 4 <= len(header):
        end = at + 4 + int.from_bytes(header[at : at + 4], "little")
        name, _, value = header[at + 4 : end].partition(b"=")
        yield name.decode(errors="replace"), value
        at = end
