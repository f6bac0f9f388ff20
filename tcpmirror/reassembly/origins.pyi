from collections.abc import Iterator

OTHER: int
SUMS: dict[str, int]

News = tuple[int, int, int, int, int]

class Origin:
    source: int
    vlan: int
    inner_vlan: int
    vni: int
    def news(self) -> News: ...
    def tell(self, news: News) -> None: ...
    def sums(self) -> dict[str, int]: ...

class Origins:
    def __init__(self, limit: int = ...) -> None: ...
    def __iter__(self) -> Iterator[Origin]: ...
