"""How to point a mirror at a sensor: commands for clouds, Linux and switches, with values filled in.

`python -m tcpmirror.console.mirror_guides` prints them as the page `docs/mirror.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

Values = dict[str, str]


@dataclass(frozen=True, slots=True)
class Step:
    """What to do, and the commands for it."""

    what: str
    commands: str


@dataclass(frozen=True, slots=True)
class Mirror:
    """One way to mirror; ``fields``: name -> (label, what stands there at first)."""

    title: str
    about: str
    fields: dict[str, tuple[str, str]]
    steps: Callable[[Values], tuple[Step, ...]]


def _aws(values: Values) -> tuple[Step, ...]:
    rules = "\n".join(
        "aws ec2 create-traffic-mirror-filter-rule --traffic-mirror-filter-id FILTER_ID \\\n"
        f"  --traffic-direction {direction} --rule-number 100 --rule-action accept \\\n"
        "  --protocol 6 --source-cidr-block 0.0.0.0/0 --destination-cidr-block 0.0.0.0/0"
        for direction in ("ingress", "egress")
    )
    return (
        Step(
            "Let the sensor's network interface be a target.",
            f"aws ec2 create-traffic-mirror-target --network-interface-id {values['target']}",
        ),
        Step(
            "Mirror TCP in both directions.",
            f"aws ec2 create-traffic-mirror-filter --description tcpmirror\n{rules}",
        ),
        Step(
            "Start a session for each interface to be watched, with the ids that the commands above printed.",
            f"aws ec2 create-traffic-mirror-session --network-interface-id {values['source']} \\\n"
            "  --traffic-mirror-target-id TARGET_ID --traffic-mirror-filter-id FILTER_ID \\\n"
            f"  --session-number 1 --virtual-network-id {values['vni']}",
        ),
        Step(
            "Allow UDP 4789 from the watched instances in the security group of the sensor's interface.",
            f"aws ec2 authorize-security-group-ingress --group-id {values['group']} \\\n"
            f"  --protocol udp --port 4789 --cidr {values['cidr']}",
        ),
    )


def _gcp(values: Values) -> tuple[Step, ...]:
    region, network = values["region"], values["network"]
    return (
        Step(
            "Put the sensor behind an internal load balancer that collects mirrored packets.",
            f"gcloud compute health-checks create tcp tcpmirror --region {region} --port 8080\n"
            f"gcloud compute backend-services create tcpmirror --region {region} --load-balancing-scheme internal \\\n"
            f"  --protocol TCP --health-checks tcpmirror --health-checks-region {region}\n"
            f"gcloud compute backend-services add-backend tcpmirror --region {region} \\\n"
            f"  --instance-group {values['target']} --instance-group-zone {values['zone']}\n"
            f"gcloud compute forwarding-rules create tcpmirror --region {region} --load-balancing-scheme internal \\\n"
            f"  --network {network} --subnet {values['subnet']} --backend-service tcpmirror \\\n"
            "  --ip-protocol TCP --ports all --is-mirroring-collector",
        ),
        Step(
            "Mirror the subnet, both directions. The packets arrive as they were, without a tunnel.",
            f"gcloud compute packet-mirrorings create tcpmirror --region {region} --network {network} \\\n"
            f"  --collector-ilb tcpmirror --mirrored-subnets {values['source']} --filter-protocols tcp",
        ),
    )


def _azure(values: Values) -> tuple[Step, ...]:
    group = values["group"]
    return (
        Step(
            "Make a virtual network tap whose destination is the sensor's interface.",
            f"az network vnet tap create --resource-group {group} --name tcpmirror \\\n"
            f"  --destination {values['target']} --port 4789",
        ),
        Step(
            "Let each interface to be watched use it.",
            f"az network nic vtap-config create --resource-group {group} --nic {values['source']} \\\n"
            "  --name tcpmirror --vnet-tap tcpmirror",
        ),
    )


def _linux(values: Values) -> tuple[Step, ...]:
    device, sensor, vni = values["source"], values["target"], values["vni"]
    mirror = "".join(
        f"tc filter add dev {device} {direction} pref 10 protocol all u32 match u32 0 0 "
        "action mirred egress mirror dev tcpmirror0\n"
        for direction in ("ingress", "egress")
    )
    return (
        Step(
            "On the machine to be watched: a tunnel to the sensor.",
            f"ip link add tcpmirror0 type vxlan id {vni} remote {sensor} dstport 4789 dev {device}\n"
            "ip link set tcpmirror0 up",
        ),
        Step(
            "Copy both directions into it. The first filter keeps the copies themselves from being copied.",
            f"tc qdisc add dev {device} clsact\n"
            f"tc filter add dev {device} egress pref 1 protocol ip "
            "u32 match ip protocol 17 0xff match ip dport 4789 0xffff flowid :1\n"
            f"{mirror.rstrip()}",
        ),
        Step("To end it:", f"tc qdisc del dev {device} clsact\nip link del tcpmirror0"),
    )


def _switch(values: Values) -> tuple[Step, ...]:
    source, target = values["source"], values["target"]
    return (
        Step(
            "Cisco IOS",
            f"monitor session 1 source interface {source} both\nmonitor session 1 destination interface {target}",
        ),
        Step(
            "Arista EOS",
            f"monitor session tcpmirror source {source} both\nmonitor session tcpmirror destination {target}",
        ),
        Step(
            "Juniper Junos",
            f"set forwarding-options analyzer tcpmirror input ingress interface {source}\n"
            f"set forwarding-options analyzer tcpmirror input egress interface {source}\n"
            f"set forwarding-options analyzer tcpmirror output interface {target}",
        ),
        Step(
            "On the sensor, keep the receiving interface from joining packets:",
            f"ethtool -K {values['interface']} gro off lro off\nip link set {values['interface']} up promisc on",
        ),
    )


SETTINGS: Final = "On the sensor, in its settings (other ports and VNIs are keys of from_interface):"
DOCTOR: Final = "tcpmirror doctor -i INTERFACE"
MIRRORS: Final = {
    "aws": Mirror(
        "AWS",
        "VPC Traffic Mirroring to the sensor's network interface. Packets come as VXLAN to UDP port 4789.",
        {
            "target": ("Sensor's network interface", "eni-0sensor"),
            "source": ("Interface to be watched", "eni-0watched"),
            "vni": ("VNI", "100"),
            "group": ("Sensor's security group", "sg-0sensor"),
            "cidr": ("Network of the watched", "10.0.0.0/16"),
            "interface": ("Interface on the sensor", "ens5"),
        },
        _aws,
    ),
    "gcp": Mirror(
        "Google Cloud",
        "Packet Mirroring to an internal load balancer with the sensor behind it.",
        {
            "target": ("Sensor's instance group", "sensor-group"),
            "source": ("Subnet to be watched", "web"),
            "region": ("Region", "europe-west3"),
            "zone": ("Zone of the sensor", "europe-west3-a"),
            "network": ("Network", "default"),
            "subnet": ("Subnet of the sensor", "default"),
            "interface": ("Interface on the sensor", "ens4"),
        },
        _gcp,
    ),
    "azure": Mirror(
        "Azure",
        "A virtual network TAP, where your region has it. Packets come as VXLAN to UDP port 4789.",
        {
            "target": (
                "IP configuration of the sensor's interface (resource id)",
                "/subscriptions/ID/ipConfigurations/sensor",
            ),
            "source": ("Interface to be watched", "web-nic"),
            "group": ("Resource group", "web"),
            "interface": ("Interface on the sensor", "eth0"),
        },
        _azure,
    ),
    "linux": Mirror(
        "Linux",
        "A machine copies its own traffic with tc and sends it through a VXLAN tunnel.",
        {
            "target": ("Address of the sensor", "192.0.2.10"),
            "source": ("Interface to be watched", "eth0"),
            "vni": ("VNI", "100"),
            "interface": ("Interface on the sensor", "eth0"),
        },
        _linux,
    ),
    "switch": Mirror(
        "Switch",
        "A mirror port: the sensor has an interface of its own at it, and sees frames as they were.",
        {
            "source": ("Port to be watched", "Ethernet1"),
            "target": ("Port the sensor is at", "Ethernet24"),
            "interface": ("Interface on the sensor", "eth1"),
        },
        _switch,
    ),
}


def settings_for(values: Values) -> str:
    """Return the settings of a sensor that receives the mirror."""
    interface = values["interface"]
    return f"version: 4\nmode: tcp-capture-v2\ntcp_stream:\n  from_interface: {{enabled: true, interface: {interface}}}\n"


def page() -> str:
    """Return all guides with the values that stand there at first, as Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "<!-- Written by `python -m tcpmirror.console.mirror_guides`: change the guides there, not this page. -->"
    yield "# Pointing a mirror at the sensor\n"
    yield "The console's page *Set-up* has these commands with your own values in them.\n"
    yield "Afterwards see what arrives, and what is wrong with it:\n"
    yield f"```console\n$ {DOCTOR}\n```\n"
    for mirror in MIRRORS.values():
        values = {name: first for name, (_, first) in mirror.fields.items()}
        yield f"## {mirror.title}\n\n{mirror.about}\n"
        for number, step in enumerate(mirror.steps(values), 1):
            yield f"{number}. {step.what}\n\n{_indented(step.commands)}"
        yield f"{SETTINGS}\n\n```yaml\n{settings_for(values)}```\n"


def _indented(commands: str) -> str:
    """Return *commands* as a block inside an item of a list."""
    return "".join(f"    {line}\n" for line in ("```", *commands.splitlines(), "```"))


if __name__ == "__main__":
    print(page(), end="")
