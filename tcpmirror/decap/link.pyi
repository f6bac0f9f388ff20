LINK_VXLAN: int
LINK_GENEVE: int
SUPPORTED: dict[int, str]
