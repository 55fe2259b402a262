# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by hand: frames as a client that means well would not send them.

    with Wire(path) as w:
        stream = w.request("/runtime.v1.RuntimeService/Version")
        print(w.answer(stream).status)
"""

import select
import socket
import struct
import time

import hpack

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
INITIAL_WINDOW = 4
FRAME_MAX = 16384
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_MORE = 2**31 - 1


class Answer:
    """What came on one stream."""

    def __init__(self):
        self.blocks = []  # header blocks as lists of pairs
        self.data = b""
        self.ended = False
        self.reset = None  # error code

    @property
    def headers(self):
        return dict(self.blocks[0]) if self.blocks else {}

    @property
    def status(self):
        """grpc-status as an int, None before the end."""
        value = dict(self.blocks[-1]).get("grpc-status") if self.blocks else None
        return None if value is None else int(value)

    @property
    def message(self):
        return dict(self.blocks[-1]).get("grpc-message", "")

    @property
    def messages(self):
        result, data = [], self.data
        while data:
            size = struct.unpack(">xI", data[:5])[0]
            result.append(data[5 : 5 + size])
            data = data[5 + size :]
        return result


class Wire:
    def __init__(self, path, settings=(), preface=True, window=True):
        """window: gives the server all the room it could want on the connection."""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.buffer = b""
        self.streams = {}
        self.settings, self.pongs, self.goaway, self.closed = None, [], None, False
        self.frames, self.refused = [], False
        self.next_stream = 1
        self.send_window, self.stream_windows, self.initial_window = 65535, {}, 65535
        if preface:
            self.send(PREFACE + self.pack(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *s) for s in settings)))
            if window:
                self.frame(WINDOW, 0, 0, struct.pack(">I", NO_MORE - 65535))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """What the server does not want to hear any more is dropped: its last words are still read."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.refused = True

    @staticmethod
    def pack(type, flags, stream, payload=b""):
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", type, flags, stream) + payload

    def frame(self, type, flags, stream, payload=b""):
        self.send(self.pack(type, flags, stream, payload))

    def header_block(self, path, extra=(), method="POST", content_type="application/grpc"):
        pairs = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost"), ("te", "trailers")]
        if content_type:
            pairs.append(("content-type", content_type))
        return self.encoder.encode(pairs + list(extra))

    def open(self, path, extra=(), end=False, **kwargs):
        """HEADERS of a new stream; its number."""
        stream = self.next_stream
        self.next_stream += 2
        self.streams[stream] = Answer()
        self.stream_windows[stream] = self.initial_window
        block = self.header_block(path, extra, **kwargs)
        parts = [block[i : i + FRAME_MAX] for i in range(0, len(block), FRAME_MAX)]
        for i, part in enumerate(parts):
            flags = (END_HEADERS if i == len(parts) - 1 else 0) | (END_STREAM if end and i == 0 else 0)
            self.frame(CONTINUATION if i else HEADERS, flags, stream, part)
        return stream

    def request(self, path, message=b"", extra=(), **kwargs):
        """A whole unary request, within the windows that the server gives."""
        stream = self.open(path, extra, **kwargs)
        self.body(stream, struct.pack(">xI", len(message)) + message)
        return stream

    def body(self, stream, data, end=True):
        data = memoryview(data)
        while True:
            n = min(len(data), FRAME_MAX, self.send_window, self.stream_windows[stream])
            if n > 0 or not data:
                last = end and n == len(data)
                self.frame(DATA, END_STREAM if last else 0, stream, bytes(data[:n]))
                self.send_window -= n
                self.stream_windows[stream] -= n
                data = data[n:]
                if not data:
                    return
            else:
                if self.streams[stream].ended or self.closed:
                    return
                self.read()

    def take(self, type, flags, stream, payload):
        answer = self.streams.get(stream)
        self.frames.append((type, flags, stream))
        if type == SETTINGS and not flags & ACK:
            self.settings = dict(struct.unpack(">HI", payload[i : i + 6]) for i in range(0, len(payload), 6))
            if INITIAL_WINDOW in self.settings:
                change = self.settings[INITIAL_WINDOW] - self.initial_window
                self.initial_window += change
                for s in self.stream_windows:
                    self.stream_windows[s] += change
            self.frame(SETTINGS, ACK, 0)
        elif type == PING and flags & ACK:
            self.pongs.append(payload)
        elif type == GOAWAY:
            self.goaway = struct.unpack(">II", payload[:8])
        elif type == WINDOW:
            n = struct.unpack(">I", payload)[0]
            if stream:
                self.stream_windows[stream] += n
            else:
                self.send_window += n
        elif type == RST and answer:
            answer.reset, answer.ended = struct.unpack(">I", payload)[0], True
        elif type == HEADERS and answer:
            answer.blocks.append(self.decoder.decode(payload))
            answer.ended |= bool(flags & END_STREAM)
        elif type == DATA and answer:
            answer.data += payload
            answer.ended |= bool(flags & END_STREAM)
            if payload:
                self.on_data(stream, len(payload))

    def on_data(self, stream, size):
        """Reads on; a slow reader overrides it."""
        if not self.streams[stream].ended:
            self.frame(WINDOW, 0, stream, struct.pack(">I", size))

    def read(self, seconds=20):
        """Takes what the server sends next; False at the end or when nothing came."""
        if self.closed or not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return False
        self.buffer += data
        while len(self.buffer) >= 9:
            size = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + size:
                break
            type, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
            payload = self.buffer[9 : 9 + size]
            self.buffer = self.buffer[9 + size :]
            self.take(type, flags, stream & NO_MORE, payload)
        return True

    def until(self, condition, seconds=20):
        """Reads until the condition holds; whether it does."""
        deadline = time.monotonic() + seconds
        while not condition() and not self.closed and time.monotonic() < deadline:
            self.read(max(deadline - time.monotonic(), 0))
        return bool(condition())

    def answer(self, stream, seconds=20):
        """The whole answer of a stream, or what came until the connection ended."""
        self.until(lambda: self.streams[stream].ended, seconds)
        return self.streams[stream]

    def is_closed(self, seconds=20):
        """Whether the server closes the connection."""
        return self.until(lambda: self.closed, seconds)
