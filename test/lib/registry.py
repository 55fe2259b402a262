# SPDX-License-Identifier: Apache-2.0
"""A small registry that tests can make say anything. It listens in a node, and its code runs in the case.

    with Registry(node) as registry:
        registry.push("name", [layer([("file", b"content")])])
        registry.on("GET", r"/v2/name/blobs/.*", lambda request: request.cut(100))
        node.pull(registry.host + "/name")

A handler gets a Request and answers it; where it returns Request.PASS the registry answers as usual.
"""

import base64
import ctypes
import gzip
import hashlib
import importlib.machinery
import json
import os
import re
import socket
import socketserver
import ssl
import subprocess
import tempfile
import threading
import http.server

HERE = os.path.dirname(os.path.realpath(__file__))
make = importlib.machinery.SourceFileLoader("make", os.path.join(HERE, "..", "images", "make")).load_module()

CLONE_NEWNET = 0x40000000
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
libc = ctypes.CDLL(None, use_errno=True)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def socket_in(pid, address):
    """A listening socket in the network namespace of a process."""
    made = []

    def run():  # in a thread of its own: a namespace belongs to a thread
        with open(f"/proc/{pid}/ns/net") as namespace:
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                return
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        s = socket.socket(family)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(address)
        s.listen(64)
        made.append(s)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return made[0]


class Authority:
    """A certificate authority, and certificates of it."""

    def __init__(self, name="test authority"):
        self.directory = tempfile.mkdtemp(prefix="crio-ca-")
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.crt",
        )

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.directory, check=True, capture_output=True)

    def context(self, host):
        """TLS of a server of that name."""
        with open(os.path.join(self.directory, host + ".ext"), "w") as f:
            f.write(f"subjectAltName=DNS:{host}\n")
        self._openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={host}",
            "-keyout", host + ".key", "-out", host + ".csr",
        )
        self._openssl(
            "x509", "-req", "-in", host + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", host + ".ext", "-out", host + ".crt",
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.directory, host + ".crt"), os.path.join(self.directory, host + ".key"))
        return context

    def certificate(self):
        with open(os.path.join(self.directory, "ca.crt")) as f:
            return f.read()


class Request(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    PASS = object()

    def log_message(self, *_):
        pass

    @property
    def authorization(self):
        return self.headers.get("Authorization")

    @property
    def start(self):
        """First byte that is asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(match[1]) if match else 0

    def reply(self, status, body=b"", **headers):
        """headers: with "_" for "-"."""
        self.send_response(status)
        headers.setdefault("Content_Length", len(body))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, code, **headers):
        body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
        self.reply(status, body, Content_Type="application/json", **headers)

    def blob(self):
        """The blob that is asked for."""
        return self.server.registry.blobs[self.path.rsplit("/", 1)[1]]

    def send_blob(self, data):
        if self.start:
            self.reply(206, data[self.start :], Content_Range=f"bytes {self.start}-{len(data) - 1}/{len(data)}")
        else:
            self.reply(200, data)

    def cut(self, size):
        """The blob from where it is asked for, but broken off after so many bytes."""
        data = self.blob()
        status = 206 if self.start else 200
        self.send_response(status)
        self.send_header("Content-Length", len(data) - self.start)
        if self.start:
            self.send_header("Content-Range", f"bytes {self.start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[self.start : self.start + size])
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle_one(self):
        registry = self.server.registry
        with registry.lock:
            registry.requests.append((self.command, self.path, self.authorization, self.start))
        if self.command == "POST":
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        for method, pattern, handler in list(registry.handlers):
            if method == self.command and re.fullmatch(pattern, self.path):
                if handler(self) is not Request.PASS:
                    return
        registry.answer(self)

    do_GET = do_HEAD = do_POST = handle_one


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_):
        pass  # the other side may go away at any time


class Registry:
    """tls: an ssl.SSLContext; host: the name it is called by, 127.0.0.1 unless told otherwise."""

    def __init__(self, node, port=0, address="127.0.0.1", tls=None, host=None):
        self.blobs, self.manifests, self.handlers, self.requests = {}, {}, [], []
        self.lock = threading.Lock()
        s = socket_in(node.leader, (address, port))
        self.port = s.getsockname()[1]
        self.host = f"{host or address}:{self.port}"
        self.scheme = "https" if tls else "http"
        self.server = Server(s.getsockname(), Request, bind_and_activate=False)
        self.server.socket.close()
        # The handshake belongs to the thread of the connection.
        self.server.socket = tls.wrap_socket(s, server_side=True, do_handshake_on_connect=False) if tls else s
        self.server.registry = self
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def on(self, method, pattern, handler):
        """The last one for a path comes first."""
        self.handlers.insert(0, (method, pattern, handler))

    def reset(self):
        self.handlers.clear()
        self.requests.clear()

    def seen(self, pattern):
        """Requests whose path matches."""
        with self.lock:
            return [r for r in self.requests if re.fullmatch(pattern, r[1])]

    # What it serves.

    def blob(self, data):
        self.blobs[digest_of(data)] = data
        return {"digest": digest_of(data), "size": len(data)}

    def document(self, value, media):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return {"mediaType": media, **self.blob(data)}

    def tag(self, name, value, tag="latest", media=OCI + "manifest.v1+json"):
        """A manifest under a tag and its digest."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.manifests[name, tag] = self.manifests[name, digest_of(data)] = (data, media)
        return digest_of(data)

    def manifest(self, layers, config=None, diff_ids=None, **fields):
        """layers: pairs of (uncompressed, as sent), or bytes, which are compressed by gzip."""
        pairs = [pair if isinstance(pair, tuple) else (pair, gzip.compress(pair, 1, mtime=0)) for pair in layers]
        document = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"], **(config or {})},
            "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest_of(plain) for plain, _ in pairs]},
        }
        return {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": self.document(document, OCI + "config.v1+json"),
            "layers": [{"mediaType": OCI + "layer.v1.tar+gzip", **self.blob(sent)} for _, sent in pairs],
            **fields,
        }

    def push(self, name, layers, tag="latest", **fields):
        """Returns the digest of the manifest."""
        return self.tag(name, self.manifest(layers, **fields), tag)

    def answer(self, request):
        path = request.path.split("?")[0]
        if path == "/v2/":
            return request.reply(200, b"{}")
        if match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            if match.groups() not in self.manifests:
                return request.error(404, "MANIFEST_UNKNOWN")
            data, media = self.manifests[match.groups()]
            return request.reply(200, data, Content_Type=media)
        if match := re.fullmatch(r"/v2/(.+)/blobs/(.+)", path):
            if match[2] not in self.blobs:
                return request.error(404, "BLOB_UNKNOWN")
            return request.send_blob(self.blobs[match[2]])
        return request.error(404, "NOT_FOUND")

    def ask_token(self, realm, token):
        """Everything wants a bearer token from now on."""

        def check(request):
            if request.authorization == "Bearer " + token:
                return Request.PASS
            challenge = f'Bearer realm="{realm}",service="test service",scope="repository:x:pull"'
            return request.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge)

        self.on("GET", r"/v2/.*", check)


def layer(entries, finish=True):
    """An uncompressed tar. Entries: (name, bytes), (name, None) for a directory, or functions that get a make.Layer."""
    made = make.Layer("none")
    for entry in entries:
        if callable(entry):
            entry(made)
        elif entry[1] is None:
            made.directory(entry[0])
        else:
            made.add(entry[0], entry[1])
    return made.finish()[2]


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def busybox_layer():
    return make.base_layer("none").finish()[2]
