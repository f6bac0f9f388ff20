"""Replaces the one call in pypcap's pcap.pyx that Python 3.13 has no declaration of: `pypcap_source.py pcap.pyx`.

``bpf.filter`` reads its argument through PyObject_AsCharBuffer, of Python 2's buffer interface. A compiler of today refuses
to call what is not declared; a copy of the bytes does the same.
"""

import sys
from pathlib import Path

CHANGES = {
    """cdef extern from "Python.h":
    int    PyObject_AsCharBuffer(object obj, char **buffer, Py_ssize_t *buffer_len)
""": "",
    """        cdef u_char *p
        cdef Py_ssize_t n
        if PyObject_AsCharBuffer(buf, <const char**>&p, &n) < 0:
            raise TypeError
""": """        cdef bytes data = bytes(memoryview(buf))
        cdef const u_char *p = data
        cdef Py_ssize_t n = len(data)
""",
}


def main(file: str) -> int:
    """Change *file* in place; 1 if it is not the text that the changes were made for."""
    text = Path(file).read_text(encoding="utf-8")
    for old, new in CHANGES.items():
        if text.count(old) != 1:
            print(f"pypcap: {file} is not the source of the version in pypcap.txt: it lacks\n{old}", file=sys.stderr)
            return 1
        text = text.replace(old, new)
    Path(file).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
