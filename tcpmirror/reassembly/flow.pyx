# cython: language_level=3, boundscheck=False, wraparound=False
"""Flow: one 4-tuple and its two directions. `a` is the end that sent the first segment seen."""
from tcpmirror.model.stream cimport FlowInfo

from tcpmirror.model.anomaly import Anomaly

cdef uint64_t BIT_MIDSTREAM = 1 << Anomaly.MIDSTREAM
cdef uint64_t BIT_REUSED = 1 << Anomaly.TUPLE_REUSED


cdef class Flow:
    cdef FlowInfo describe(self):
        """Return what a sink is told of the flow."""
        cdef FlowInfo info = FlowInfo.__new__(FlowInfo)
        cdef int size = 4 if self.ip_version == 4 else 16
        a_ip = (<const char*>self.a_ip)[:size]
        b_ip = (<const char*>self.b_ip)[:size]
        info.client_ip, info.server_ip = (b_ip, a_ip) if self.is_b_client else (a_ip, b_ip)
        info.client_port = self.b_port if self.is_b_client else self.a_port
        info.server_port = self.a_port if self.is_b_client else self.b_port
        info.source = self.domain
        info.vlan = self.vlan
        info.inner_vlan = self.inner_vlan
        info.vni = self.vni
        info.tunnel = self.tunnel
        info.flow_hash = self.hash
        info.is_client_known = self.is_client_known
        info.overlaps = ()
        info.anomalies = (BIT_MIDSTREAM if self.is_midstream else 0) | (BIT_REUSED if self.was_reused else 0)
        return info
