# SPDX-License-Identifier: Apache-2.0
"""What the layers of an image make together, by the rules of the OCI image specification.

An own reading on Python's tarfile, in the form of store.tree().
"""

import gzip
import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile

TYPES = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.AREGTYPE: stat.S_IFREG,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.FIFOTYPE: stat.S_IFIFO,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
}
XATTR = "SCHILY.xattr."


def decompress(data):
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout
    return data


def nanoseconds(member):
    text = member.pax_headers.get("mtime")
    if text is None:
        return int(member.mtime) * 10**9
    seconds, _, fraction = text.partition(".")
    fraction = int((fraction + "0" * 9)[:9])
    return int(seconds) * 10**9 + (-fraction if seconds.startswith("-") else fraction)


def remove(tree, path, inside=False):
    """Takes a path and what is below it away; inside: only what is below."""
    if inside or path in tree:
        for p in [p for p in tree if p.startswith(path + b"/") or (p == path and not inside)]:
            del tree[p]


def facts_of(archive, member):
    facts = {
        "type": TYPES[member.type],
        "mode": member.mode & 0o7777,
        "owner": (member.uid, member.gid),
        "xattrs": {
            key[len(XATTR) :]: value.encode("utf-8", "surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith(XATTR)
        },
        "mtime": nanoseconds(member),
    }
    kind = facts["type"]
    if kind == stat.S_IFREG:
        facts["content"] = hashlib.sha256(archive.extractfile(member).read()).hexdigest()
    elif kind == stat.S_IFLNK:
        facts["target"] = os.fsencode(member.linkname)
        del facts["mode"]
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        facts["device"] = (member.devmajor, member.devminor)
    return facts


def apply(tree, data):
    """Lays one layer (an uncompressed tar) over a tree. A hard link shares the facts of its target."""
    archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")
    members = [(os.path.normpath(b"/" + os.fsencode(m.name))[1:].lstrip(b"/"), m) for m in archive]
    for path, member in members:  # whiteouts are about the layers below, wherever they stand
        directory, name = os.path.split(path)
        if name == b".wh..wh..opq":
            remove(tree, directory, inside=True)
        elif name.startswith(b".wh."):
            remove(tree, os.path.join(directory, name[4:]))
    for path, member in members:
        directory, name = os.path.split(path)
        if not path or name.startswith(b".wh."):
            continue
        parent = directory
        while parent and parent not in tree:  # implied
            tree[parent] = {"type": stat.S_IFDIR, "mode": 0o755, "owner": (0, 0), "xattrs": {}, "implied": True}
            parent = os.path.dirname(parent)
        if member.type == tarfile.LNKTYPE:
            tree[path] = tree[os.path.normpath(b"/" + os.fsencode(member.linkname)).lstrip(b"/")]
            continue
        facts = facts_of(archive, member)
        if facts["type"] == stat.S_IFDIR and path in tree and tree[path]["type"] == stat.S_IFDIR:
            tree[path].clear()
            tree[path].update(facts)
            continue
        remove(tree, path)
        tree[path] = facts


def unpack(blobs):
    """blobs: layers as they come from a registry, base first."""
    shared = {}
    for blob in blobs:
        apply(shared, decompress(blob))
    first, tree = {}, {}
    for path in sorted(shared):
        facts = dict(shared[path])
        if facts["type"] == stat.S_IFREG:
            facts["same as"] = first.setdefault(id(shared[path]), path)
        tree[path] = facts
    return tree


def registry_blob(node, digest):
    """A blob out of the storage of the node's registry."""
    value = digest.split(":")[1]
    with open(node.path(f"/var/lib/docker-registry/docker/registry/v2/blobs/sha256/{value[:2]}/{value}/data"), "rb") as f:
        return f.read()


def unpack_image(node, store, image):
    """The tree of an image of the node's registry, by its record in a store."""
    from store import key_file

    manifest = json.loads(store.read(f"overlay-images/{image['id']}/{key_file('manifest')}"))
    return unpack([registry_blob(node, l["digest"]) for l in manifest["layers"]])
