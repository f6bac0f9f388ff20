from tcpmirror.reassembly.flow_store import FlowStore

class FlowTable(FlowStore):
    def feed(
        self,
        src: bytes,
        sport: int,
        dst: bytes,
        dport: int,
        seq: int,
        ack: int,
        flags: int,
        payload: bytes = ...,
        time_ns: int = ...,
        missing: int = ...,
        domain: int = ...,
        flow_hash: int = ...,
        vlan: int = ...,
        inner_vlan: int = ...,
        vni: int = ...,
        urgent: int = ...,
    ) -> None: ...
