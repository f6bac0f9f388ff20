# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What a worker notes of who sends requests: of each address, of each session, and of each sort of client that has none.

An exchange is looked at once and noted for three at most: the host as a whole, which tells what is usual there, the address, and
the session, or for requests that name none all that share user agent, language and codings: somebody who changes addresses.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memchr, memcmp, memset

from tcpmirror.behavior.cells cimport text_of
from tcpmirror.behavior.route cimport Route
from tcpmirror.behavior.traits cimport (
    ACCOUNTS, ADDRESSES, AGENTS, ANSWERED, ASSETS, ATTACKS, BYTES, CALLS, CREDENTIALED, ENDPOINTS, FAILED, LOGINS, LOGINS_FAILED,
    MARKED, MISSING, OUTDATED, PASSWORDS, QUERIED, QUERIES, REFUSED, SESSIONS, SKETCHED, TARGETS, TOOLS, WAIT_US, Traits,
)
from tcpmirror.model.exchange cimport Exchange, Response
from tcpmirror.model.hashing cimport mixed, siphash13
from tcpmirror.model.heads cimport Span, stripped, strncasecmp

from tcpmirror.behavior.agents import agent_of
from tcpmirror.behavior.counter import Counter, Slot
from tcpmirror.behavior.window import BEAT_NS, KINDS, SLOT_NS, profile_key

DEF PROFILES = 8192       # of one worker, between two digests: up to 3 KiB each
DEF WAYS = 8
DEF KNOWN = 4096          # user agents, judged
DEF AGENT_BYTES = 120     # of one that is shown
DEF SAMPLED = 8           # calls between two digests, from which on one is kept whatever it looks like

cdef uint64_t SLOT = SLOT_NS, BEAT = BEAT_NS


cdef class Agent:
    """A user agent, judged."""


cdef class Profile:
    """What one was like in one slot."""


cdef class Profiles:
    """A table of PROFILES profiles. ``evicted`` counts those that gave way: what they were like is lost.

    *threshold*: the confidence in percent from which on somebody is told of.
    """

    def __cinit__(self):
        self.keys = <uint64_t*>calloc(PROFILES, sizeof(uint64_t))
        if self.keys == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.keys)

    def __init__(self, int threshold):
        self.cells = [None] * PROFILES
        self.threshold = threshold
        self.agents = {}

    cdef void begin(self, Exchange exchange, Route route, bint is_asset, bint is_attack):
        """Look at *exchange*. *is_asset*: pages load it by themselves."""
        self.exchange, self.route, self.is_asset, self.is_attack = exchange, route, is_asset, is_attack
        memset(self.has_value, 0, sizeof(self.has_value))
        look(exchange.request.head, &self.looks)

    cdef void login(self, uint32_t account, bint has_account, uint32_t password):
        """Note that *password* is tried on *account*."""
        self.values[ACCOUNTS], self.has_value[ACCOUNTS] = account, has_account
        self.values[PASSWORDS], self.has_value[PASSWORDS] = password, True

    cdef object note(self, bytes source, uint64_t source_hash, bytes session, uint64_t session_hash):
        """Note what `begin` looked at for all whom it concerns."""
        cdef uint32_t client
        self.agent = self._agent()
        self._query()
        self._set(ENDPOINTS, <uint32_t>(self.route.place >> 32))
        self._set(AGENTS, self.agent.hash)
        self._set(ADDRESSES, word(source))
        if session is not None:
            self._set(SESSIONS, word(session))
        self._add(HOST, 0, b"")
        self._add(ADDRESS, source_hash, source)
        if session is not None and (self.looks.has_cookie or self.looks.has_credential):
            self._add(SESSION, session_hash, session)
        else:
            client = self.agent.hash ^ hash_of(&self.looks.language) * 3 ^ hash_of(&self.looks.encoding) * 5
            self._add(CLIENT, client, None)
        self.exchange = None

    cdef void _set(self, int sketch, uint32_t value) noexcept:
        self.values[sketch], self.has_value[sketch] = value, True

    cdef Agent _agent(self):
        """Return the user agent of the exchange, judged."""
        cdef Span* sent = &self.looks.agent
        cdef Agent agent = self.agent
        cdef bytes text
        if agent is not None and sent.size == PyBytes_GET_SIZE(agent.text) \
                and memcmp(sent.data, PyBytes_AS_STRING(agent.text), sent.size) == 0:
            return agent
        text = PyBytes_FromStringAndSize(sent.data, sent.size) if sent.data != NULL else b""
        found = self.agents.get(text)
        if found is not None:
            return <Agent>found
        agent = Agent()
        agent.is_tool, agent.outdated_ns = agent_of(text.decode("latin-1"))
        agent.hash = word(text)
        agent.text = text
        if len(self.agents) >= KNOWN:
            self.agents.clear()
        self.agents[text] = agent
        return agent

    cdef void _query(self):
        """Tell targets and queries apart; what pages load by themselves is none."""
        cdef bytes target = self.exchange.request.target
        cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(target)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(target)
        cdef uint64_t hashed = siphash13(0, 0, data, size)
        self._set(TARGETS, <uint32_t>(hashed >> 32))
        if memchr(data, 63, size) != NULL:
            self._set(QUERIES, <uint32_t>(hashed >> 32))
            self._set(QUERIED, <uint32_t>(self.route.place >> 32))

    cdef void _add(self, int kind, uint64_t hashed, bytes subject):
        """Note the exchange for *subject*; None: a sort of client, which *hashed* tells from others."""
        cdef uint64_t time_ns = self.exchange.request.time_ns
        cdef uint64_t key = mixed(hashed ^ mixed(self.route.host_place ^ time_ns // SLOT) ^ <uint64_t>kind) | 1
        cdef Profile cell = self._cell(key)
        cdef int at
        if cell.count == 0:
            cell.kind, cell.host = kind, self.route.host
            cell.subject = b"client %08x, %s" % (<uint32_t>hashed, self.agent.text[:AGENT_BYTES]) if subject is None else subject
            cell.slot, cell.first_ns, cell.last_ns = time_ns // SLOT, time_ns, time_ns
        cell.count += 1
        cell.first_ns, cell.last_ns = min(cell.first_ns, time_ns), max(cell.last_ns, time_ns)
        self._sum(cell.traits, time_ns)
        if kind == HOST or self.is_asset:
            return
        if self.agent.is_tool or self.is_attack or cell.traits.sums[CALLS] >= SAMPLED \
                or not (self.looks.has_referer or self.looks.has_cookie or self.looks.has_credential):
            cell.sample = self.exchange
        for at in range(SKETCHED):
            if self.has_value[at]:
                cell.traits.note(at, self.values[at])

    cdef Profile _cell(self, uint64_t key):
        """Return the profile under *key*; a new one takes the place of the one with the fewest requests."""
        cdef Py_ssize_t first = (key >> 8 & (PROFILES // WAYS - 1)) * WAYS, at, least = first
        cdef Profile cell
        for at in range(first, first + WAYS):
            if self.keys[at] == key:
                return <Profile>self.cells[at]
            if self.keys[at] == 0:
                least = at
                self.used += 1
                break
            if (<Profile>self.cells[at]).count < (<Profile>self.cells[least]).count:
                least = at
        else:
            self.evicted += 1
        cell = Profile()
        cell.traits = Traits()
        self.keys[least] = key
        self.cells[least] = cell
        return cell

    cdef void _sum(self, Traits traits, uint64_t time_ns):
        cdef Response response = self.exchange.response
        cdef int status = 0 if response is None else response.status
        if self.is_asset:
            traits.sums[ASSETS] += 1
            return
        traits.sums[CALLS] += 1
        traits.pulse[time_ns % SLOT // BEAT] += 1
        traits.sums[MARKED] += self.looks.has_referer or self.looks.has_cookie or self.looks.has_credential
        traits.sums[CREDENTIALED] += self.looks.has_credential
        traits.sums[TOOLS] += self.agent.is_tool and not self.looks.has_credential
        traits.sums[OUTDATED] += time_ns > self.agent.outdated_ns
        traits.sums[ATTACKS] += self.is_attack
        if self.has_value[PASSWORDS]:
            traits.sums[LOGINS] += 1
            traits.sums[LOGINS_FAILED] += 400 <= status < 500
        if response is None:
            return
        traits.sums[ANSWERED] += 1
        traits.sums[REFUSED] += status == 401 or status == 403
        traits.sums[MISSING] += 400 <= status < 500 and status != 401 and status != 403 and status != 429
        traits.sums[FAILED] += status >= 500 or status == 429
        traits.sums[BYTES] += response.body_length
        if response.time_ns > self.exchange.request.end_ns:
            traits.sums[WAIT_US] += (response.time_ns - self.exchange.request.end_ns) // 1000

    cdef list take(self):
        """Return [(counter, sample or None)] of what was noted since the last call, and begin anew."""
        cdef Profile cell
        cdef Py_ssize_t at
        cdef list found = []
        if self.used == 0:
            return found
        for at in range(PROFILES):
            if self.keys[at]:
                cell = <Profile>self.cells[at]
                key = profile_key(KINDS[cell.kind], text_of(cell.subject), cell.host, self.threshold)
                slot = Slot(cell.count, cell.first_ns, cell.last_ns, traits=cell.traits)
                found.append((Counter(key, {cell.slot: slot}), cell.sample))
                self.cells[at] = None
        memset(self.keys, 0, PROFILES * sizeof(uint64_t))
        self.used = 0
        return found


cdef inline uint32_t word(bytes text) noexcept:
    return <uint32_t>(siphash13(0, 0, <const uint8_t*>PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)) >> 32)


cdef inline uint32_t hash_of(Span* span) noexcept:
    return <uint32_t>(siphash13(0, 0, <const uint8_t*>span.data, span.size) >> 32)


cdef void look(bytes head, Looks* looks) noexcept:
    """Write to *looks* what *head* says, in one pass over it."""
    cdef const char* data = PyBytes_AS_STRING(head)
    cdef const char* stop = data + PyBytes_GET_SIZE(head)
    cdef const char* end
    cdef Py_ssize_t size
    cdef int letter
    memset(looks, 0, sizeof(Looks))
    data = <const char*>memchr(data, 10, stop - data)
    while data != NULL and data + 1 < stop:
        data += 1
        if data[0] == 13 or data[0] == 10:
            return
        end = <const char*>memchr(data, 10, stop - data)
        size = (stop if end == NULL else end) - data
        letter = data[0] | 32
        if letter == 97:     # a
            if is_header(data, size, b"accept-language", 15):
                looks.language = stripped(data + 16, data + size)
            elif is_header(data, size, b"accept-encoding", 15):
                looks.encoding = stripped(data + 16, data + size)
            elif is_header(data, size, b"authorization", 13):
                looks.has_credential = True
        elif letter == 117:  # u
            if is_header(data, size, b"user-agent", 10):
                looks.agent = stripped(data + 11, data + size)
        elif letter == 114:  # r
            looks.has_referer |= is_header(data, size, b"referer", 7)
        elif letter == 99:   # c
            looks.has_cookie |= is_header(data, size, b"cookie", 6)
        elif letter == 120:  # x
            looks.has_credential |= is_header(data, size, b"x-api-key", 9) or is_header(data, size, b"x-auth-token", 12)
        data = end


cdef inline bint is_header(const char* data, Py_ssize_t size, const char* name, Py_ssize_t length) noexcept nogil:
    return size > length and data[length] == 58 and strncasecmp(data, name, length) == 0
