# SPDX-License-Identifier: Apache-2.0
"""Just enough reading of C sources for the checks of the house. It trusts in the layout that clang-format gives them."""

import re
from typing import NamedTuple

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
FUNCTION_END = re.compile(r"^}$", re.M)
# The form of these is not ours to choose.
LIBRARY_CALLBACK = re.compile(r"nghttp2_session \*|struct MHD_Connection \*")
NOT_FUNCTIONS = re.compile(r"^(?:static |const |extern )*(?:struct|union|enum|typedef)\b[^(]*{$")


class Function(NamedTuple):
    name: str
    line: int
    n_lines: int
    n_parameters: int
    body: str


def blank(text, keep_strings=False):
    """The text without comments (and what stands in quotes), every line in its place."""

    def replace(m):
        s = m.group()
        if s[0] == "/":
            return re.sub(r"[^\n]", " ", s)
        return s if keep_strings else s[0] + " " * (len(s) - 2) + s[0]

    return TOKEN.sub(replace, text)


def count_parameters(inside):
    depth, n = 0, 1
    for c in inside:
        depth += (c in "([{") - (c in ")]}")
        n += c == "," and depth == 0
    return 0 if inside.strip() in ("", "void") else n


def signature(text):
    """Name and parameters of 'int f(int a)': of the first parenthesis whose word is not an attribute of ours."""
    for m in re.finditer(r"(\w+)\(", text):
        if re.fullmatch(r"_\w+_", m.group(1)):
            continue
        depth, end = 1, m.end()
        while end < len(text) and depth:
            depth += (text[end] == "(") - (text[end] == ")")
            end += 1
        return m.group(1), count_parameters(text[m.end() : end - 1])
    return None, 0


def functions(text):
    """All functions that are defined in a file."""
    lines = blank(text).split("\n")
    result, start = [], None
    for i, line in enumerate(lines):
        if start is None:
            if re.match(r"[A-Za-z_]", line) and not line.startswith("#"):
                start = i
            else:
                continue
        if line.endswith(";") and (line.startswith("}") or not line.startswith(" ")) or line == ")":
            start = None
        elif line.startswith("}"):
            head = "\n".join(lines[start:i])
            head = head[: head.index("{")] if "{" in head else head
            name, n = signature(head)
            if LIBRARY_CALLBACK.search(head):
                n = 0
            if name and not NOT_FUNCTIONS.match(lines[start]) and "=" not in head:
                body = "\n".join(lines[start : i + 1])
                result.append(Function(name, start + 1, i - start + 1, n, body))
            start = None
        elif line.endswith(";") and not any("{" in l for l in lines[start : i + 1]):
            start = None  # a declaration over several lines
    return result


def nesting(f):
    """How deep control statements stand in each other."""
    deepest = 0
    for line in f.body.split("\n"):
        m = re.match(r"( +)(?:if|for|while|switch|do|FOREACH_ELEMENT|HASHMAP_FOREACH|STRV_FOREACH)\b", line)
        if m:
            deepest = max(deepest, len(m.group(1)) // 8)
    return deepest


def is_flat_table(f):
    """A function that does nothing but list things: one statement, or rows that all look alike."""
    inner = [l.strip() for l in f.body.split("\n")[1:-1] if l.strip()]
    starts = [l for l in inner if re.match(r"(?:case |default:|return |\{ |\[|\.)", l)]
    return len(inner) > 0 and len(starts) * 10 >= len(inner) * 8


def includes(text):
    """(line, spelling) with the quotes or angles of every include."""
    for i, line in enumerate(blank(text, keep_strings=True).split("\n")):
        m = re.match(r'#\s*include\s+(["<][^">]+[">])', line)
        if m:
            yield i + 1, m.group(1)
