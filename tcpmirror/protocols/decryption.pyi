from tcpmirror.model.tls_secrets import TlsSecrets

class Decryption:
    secrets: TlsSecrets
    tls_waiting_bytes: int
    tls_decrypted_flows: int
    tls_decrypted_bytes: int
    tls_no_secret: int
    tls_unsupported: int
    tls_bad_records: int
    tls_unauthentic: int
    tls_joined: int
    tls_lost: int
    def __init__(
        self, secrets: TlsSecrets, *, wait_ns: int = ..., flow_bytes: int = ..., worker_bytes: int = ...
    ) -> None: ...
    def advance(self, now_ns: int) -> None: ...
    def finish(self) -> None: ...
