# cython: language_level=3, boundscheck=False, wraparound=False
"""Searches of texts, in the databases that what they hold asks for: what every exchange costs that nothing is found in."""
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

from tcpmirror.detect.needles cimport families_of

from collections.abc import Callable

import hyperscan

# Texts up to this are searched in one database: below it the calls cost more than the bytes. Those with brackets, quotes and
# the like are not: the database of all that they allow would be that of all patterns.
DEF SHORT_BYTES = 256

OnMatch = Callable[[int, int, int, int, object], bool | None]  # index, start, end, flags, None; true: it is enough
ScanTerminated = hyperscan.ScanTerminated


cdef class Scan:
    """One database, and who is told of each expression that matches, by its index; ScanTerminated if that ends it."""

    def __init__(self, database, scratch, on_match):
        """*database*: None: nothing is searched for."""
        self.search = None if database is None else database.scan
        self.scratch, self.on_match = scratch, on_match

    def __call__(self, bytes text not None):
        self.run(text)

    cdef int run(self, bytes text) except -1:
        if self.search is not None:
            self.search(text, self.on_match, 0, None, self.scratch)  # arguments by name take twice the time
        return 0


cdef class TextSearch:
    """Searches a text: in the one database of *at_once*, or in those of *searches*, and for the rules *asked* meanwhile.

    Both go by the families of bytes that a text holds; where texts come sorted by their alphabet (*is_sorted*), there is one.
    """

    def __init__(self, at_once, searches, dict asked_for not None, set asked not None, bint is_sorted):
        self.at_once, self.searches = tuple(at_once), tuple(searches)
        self.asked_for, self.asked, self.is_sorted = asked_for, asked, is_sorted

    def __call__(self, bytes text not None):
        self.run(text)

    cdef int run(self, bytes text) except -1:
        cdef int held = 0 if self.is_sorted else families_of(text)
        cdef tuple scans
        if held < PyTuple_GET_SIZE(self.at_once) and PyBytes_GET_SIZE(text) <= SHORT_BYTES:
            (<Scan>PyTuple_GET_ITEM(self.at_once, held)).run(text)
            return 0
        self.asked.clear()
        scans = <tuple>PyTuple_GET_ITEM(self.searches, held)
        for scan in scans:
            (<Scan>scan).run(text)
        if self.asked:
            for rule in sorted(self.asked):
                (<Scan>self.asked_for[rule]).run(text)
        return 0


cdef class FormSearch:
    """Searches the texts of a form, each by the searches at its place in *parts*; what matched goes to ``seen``."""

    def __init__(self, parts):
        self.parts = tuple(map(tuple, parts))
        self.seen = []

    def __call__(self, tuple form not None):
        """Return 0 where nothing matches, 1 where something does, 2 where what matched ended the search."""
        if PyTuple_GET_SIZE(form) != PyTuple_GET_SIZE(self.parts):
            raise ValueError(f"a form has {len(self.parts)} texts, not {len(form)}")
        return self.run(form)

    def each_of(self, tuple texts not None):
        """Search each of *texts* by the searches at the first place; return what was seen."""
        self.seen = []
        for text in texts:
            if PyBytes_GET_SIZE(<bytes?>text):
                for search in <tuple>self.parts[0]:
                    (<TextSearch>search).run(<bytes>text)
        return self.seen

    cdef int run(self, tuple form) except -1:
        cdef Py_ssize_t place
        cdef bytes text
        if PyList_GET_SIZE(self.seen):
            self.seen = []  # who was handed the one before keeps it
        try:
            for place in range(PyTuple_GET_SIZE(form)):
                text = <bytes>PyTuple_GET_ITEM(form, place)
                if PyBytes_GET_SIZE(text):
                    for search in <tuple>PyTuple_GET_ITEM(self.parts, place):
                        (<TextSearch>search).run(text)
        except ScanTerminated:
            return 2
        return 1 if PyList_GET_SIZE(self.seen) else 0
