# SPDX-License-Identifier: Apache-2.0
"""Whether a containers/storage store is whole, and what its layers and images hold.

An own reading of the layout, sharing nothing with our programs.
"""

import base64
import gzip
import hashlib
import json
import os
import re
import stat

from case import Failed, check, equal, wait_for

ROOT = "/var/lib/containers/storage"
ID = re.compile(r"[0-9a-f]{64}")
LINK = re.compile(r"[A-Z2-7]{26}")
CHUNK = 1 << 20


def key_file(key):
    """Name of the file of a big data key."""
    if re.fullmatch(r"[a-z0-9.]+", key):
        return key
    return "=" + base64.b64encode(key.encode()).decode()


def load(path):
    try:
        with open(path) as f:
            text = f.read()
            # Volatile records are not synced, by nobody: a power cut leaves them empty, and every user of the store reads that.
            return [] if not text and "volatile-" in path else json.loads(text) or []
    except FileNotFoundError:
        return []


def resolve(root, path):
    """A path in a directory as if that were "/", symlinks in it included. All bytes."""
    done, todo = [], path.split(b"/")
    for _ in range(1000):
        if not todo:
            return os.path.join(root, *done)
        name = todo.pop(0)
        here = os.path.join(root, *done, name)
        if name == b"..":
            del done[-1:]
        elif name not in (b"", b"."):
            if os.path.islink(here):
                target = os.readlink(here)
                done = [] if target.startswith(b"/") else done
                todo[:0] = target.split(b"/")
            else:
                done.append(name)
    raise Failed(f"{path!r} is a loop")


class Store:
    def __init__(self, node, root=ROOT):
        self.node = node
        self.path = node.path(root)
        self.layers = load(self.path + "/overlay-layers/layers.json")
        self.volatile_layers = load(self.path + "/overlay-layers/volatile-layers.json")
        self.images = load(self.path + "/overlay-images/images.json")
        self.containers = load(self.path + "/overlay-containers/containers.json") + load(
            self.path + "/overlay-containers/volatile-containers.json"
        )
        self.by_id = {l["id"]: l for l in self.layers + self.volatile_layers}

    def read(self, path):
        with open(f"{self.path}/{path}", "rb") as f:
            return f.read()

    def names(self, path):
        try:
            return sorted(os.listdir(f"{self.path}/{path}"))
        except FileNotFoundError:
            return []

    def image(self, name):
        found = [i for i in self.images if name in (i.get("names") or [])]
        check(len(found) == 1, f"{name} is the name of {len(found)} images")
        return found[0]

    def chain(self, layer):
        """Ids of a layer and its parents, top first."""
        ids = []
        while layer:
            check(layer in self.by_id, f"layer {layer} has no record")
            ids.append(layer)
            layer = self.by_id[layer].get("parent")
        return ids

    def archive(self, layer):
        """The pieces of the tar that a layer came as, out of tar-split and its files."""
        with gzip.open(f"{self.path}/overlay-layers/{layer}.tar-split.gz") as f:
            for n, line in enumerate(f):
                entry = json.loads(line)
                equal(entry["position"], n, "position in tar-split")
                if entry["type"] == 2:
                    yield base64.b64decode(entry["payload"])
                elif entry.get("size"):
                    name = base64.b64decode(entry["name_raw"]) if "name_raw" in entry else entry["name"].encode()
                    path = resolve(os.fsencode(f"{self.path}/overlay/{layer}/diff"), name)
                    with open(path, "rb") as content:
                        while chunk := content.read(CHUNK):
                            yield chunk

    def check_layer(self, record):
        layer, overlay = record["id"], f"{self.path}/overlay/{record['id']}"
        check(ID.fullmatch(layer), f"layer id {layer}")
        check(not record.get("flags", {}).get("incomplete"), f"layer {layer} is incomplete")
        check(stat.S_ISDIR(os.lstat(overlay + "/diff").st_mode), f"{layer}/diff is no directory")
        link = self.read(f"overlay/{layer}/link").decode()
        check(LINK.fullmatch(link), f"link of {layer}: {link!r}")
        equal(os.readlink(f"{self.path}/overlay/l/{link}"), f"../{layer}/diff", "short link")
        below = self.chain(layer)[1:]
        if not below:
            check(not os.path.exists(overlay + "/lower"), f"{layer} is a base and has lowers")
            return
        links = ":".join("l/" + self.read(f"overlay/{b}/link").decode() for b in below)
        equal(self.read(f"overlay/{layer}/lower").decode(), links, f"lower of {layer}")
        if os.path.exists(overlay + "/lower-layers"):
            equal(self.read(f"overlay/{layer}/lower-layers").decode(), ":".join(below), f"lower-layers of {layer}")

    def check_archive(self, record):
        """tar-split and files make the tar again that the record names."""
        digest, size = hashlib.sha256(), 0
        for piece in self.archive(record["id"]):
            digest.update(piece)
            size += len(piece)
        equal((f"sha256:{digest.hexdigest()}", size), (record["diff-digest"], record["diff-size"]), f"tar of {record['id']}")

    def check_image(self, record):
        for layer in self.chain(record.get("layer")):
            check(not self.by_id[layer].get("flags", {}).get("incomplete"), f"layer {layer} is incomplete")
        directory = f"overlay-images/{record['id']}"
        for key in record["big-data-names"]:
            data = self.read(f"{directory}/{key_file(key)}")
            equal(len(data), record["big-data-sizes"][key], f"size of {key}")
            equal("sha256:" + hashlib.sha256(data).hexdigest(), record["big-data-digests"][key], f"digest of {key}")
        check("sha256:" + record["id"] in record["big-data-names"], f"image {record['id']} has no config")

    def check_whole(self, archives=True, orphans=True):
        """orphans: also that nothing is there without a record."""
        for record in self.layers:
            self.check_layer(record)
            if archives and "diff-digest" in record:
                self.check_archive(record)
        names = [name for image in self.images for name in image.get("names") or []]
        equal(len(names), len(set(names)), "names of images, and different ones")
        equal(len({i["id"] for i in self.images}), len(self.images), "images, and different ones")
        for record in self.images:
            self.check_image(record)
        if orphans:
            self.check_no_remains()

    def check_no_remains(self):
        def without(found, known, what):
            extra = sorted(set(found) - set(known))
            check(not extra, f"{what} without a record: {extra}")

        ids = set(self.by_id)
        without([n for n in self.names("overlay") if ID.fullmatch(n)], ids, "layer directories")
        without([n[:64] for n in self.names("overlay-layers") if ID.match(n)], ids, "layer data")
        without([n for n in self.names("overlay-images") if ID.fullmatch(n)], [i["id"] for i in self.images], "image directories")
        links = {self.read(f"overlay/{l}/link").decode() for l in ids if os.path.exists(f"{self.path}/overlay/{l}/link")}
        without(self.names("overlay/l"), links, "short links")
        # Trees are deleted in the background.
        places = ("overlay/tempdirs", "overlay-layers/tmp", "crio")
        wait_for(30, "temporary places to go", lambda: not any(self.names(place) for place in places))
        used = {layer for record in self.images + self.containers for layer in self.chain(record.get("layer"))}
        without(set(ids), used, "layers that nothing uses,")


def tree(root, skip=()):
    """What a directory holds: {path: facts}, without the paths of skip. Paths and values are bytes."""
    root = os.fsencode(root) + b"/"
    found, inodes, digests = {}, {}, {}

    def xattrs(path):
        try:
            return {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)}
        except OSError:
            return {}

    def look(path, name):
        info = os.lstat(path)
        if name in skip:
            return
        kind = stat.S_IFMT(info.st_mode)
        facts = {"type": kind, "mode": stat.S_IMODE(info.st_mode), "owner": (info.st_uid, info.st_gid), "xattrs": xattrs(path)}
        if kind == stat.S_IFREG:
            if info.st_ino not in digests:
                with open(path, "rb") as f:
                    digests[info.st_ino] = hashlib.sha256(f.read()).hexdigest()
            facts["content"] = digests[info.st_ino]
            first = inodes.setdefault(info.st_ino, name)
            facts["same as"] = first if info.st_nlink > 1 else name
        elif kind == stat.S_IFLNK:
            facts["target"] = os.readlink(path)
            del facts["mode"]
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            facts["device"] = (os.major(info.st_rdev), os.minor(info.st_rdev))
        if name:
            facts["mtime"] = info.st_mtime_ns
            found[name] = facts
        if kind == stat.S_IFDIR:
            for child in sorted(os.listdir(path)):
                look(os.path.join(path, child), os.path.join(name, child))

    look(root, b"")
    return found


def compare(got, expected, what, ignore=()):
    """Two trees are the same; ignore: facts that do not count."""
    missing, extra = sorted(set(expected) - set(got)), sorted(set(got) - set(expected))
    check(not missing, f"{what}: missing {missing[:5]}")
    check(not extra, f"{what}: too much {extra[:5]}")
    for path in expected:
        a, b = ({k: v for k, v in t[path].items() if k not in ignore} for t in (got, expected))
        equal(a, b, f"{what}: {path!r}")
