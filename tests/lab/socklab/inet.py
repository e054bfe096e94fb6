"""What lies between and behind the hosts: the underlay, NATs, an internet
with a web server, and the far ends of the WARP tunnels."""

import ipaddress
import os

from . import nat, ns
from .state import LabError

WEB4, WEB6 = "203.0.113.10", "2001:db8:113::10"
UPLINK6 = "2001:db8:100::%x"
ROUTER6 = "2001:db8:100::ffff"
# Hosts that everybody knows; here they are the web server too.
FAMOUS = ("1.1.1.1", "9.9.9.9", "2606:4700:4700::1111")
WARP_MTU = 1280
WEB_NFT = """
table inet lab {
  chain post { type nat hook postrouting priority srcnat; policy accept; }
}
"""


PROFILE = """
Address = %s/32, %s/128
DNS = %s
MTU = %d

[Peer]
PublicKey = %s
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = %s:%d
"""


def net_of(address):
    return ipaddress.ip_network(address + "/24", strict=False)


def router4(address):
    """The internet router's address on the network of an endpoint."""
    return str(net_of(address).network_address + 254)


def outer_address(node):
    """The address by which the underlay sees a node."""
    return node.endpoint or "198.51.100.%d" % (200 + node.index)


def egress(tunnel_index):
    """Source addresses that the web server sees from a WARP tunnel."""
    return ("203.0.113.%d" % (20 + tunnel_index),
            "2001:db8:113::%x" % (0x20 + tunnel_index))


def underlay_up(lab):
    ns.ns_add(lab.ns("ul"))
    ns.ip(lab.ns("ul"), "link add br-ul type bridge", "link set br-ul up")


def attach(lab, nsname, index, device="eth0"):
    """A device of a namespace into the underlay's bridge."""
    port = "%s%d" % ("u" if device == "eth0" else device + "-", index)
    ns.run(["ip", "link", "add", device, "netns", nsname, "type", "veth",
            "peer", "name", port, "netns", lab.ns("ul")])
    ns.ip(lab.ns("ul"), "link set %s master br-ul up" % port)


def internet_up(lab):
    inet, web = lab.ns("internet"), lab.ns("web")
    lab.internet.start(lab.holder)
    attach(lab, inet, 0)
    ns.ns_add(web)
    ns.run(["ip", "link", "add", "eth0", "netns", web, "type", "veth",
            "peer", "name", "veth-web", "netns", inet])
    routers = sorted({router4(outer_address(n)) for n in lab.nodes})
    ns.sysctl(inet, "net.ipv4.ip_forward=1",
              "net.ipv6.conf.all.forwarding=1",
              "net.ipv4.conf.all.rp_filter=0")
    ns.ip(inet, *["addr add %s/24 dev eth0" % r for r in routers],
          "addr add %s/64 dev eth0 nodad" % ROUTER6, "link set eth0 up",
          "addr add 203.0.113.1/24 dev veth-web",
          "addr add 2001:db8:113::1/64 dev veth-web nodad",
          "link set veth-web up")
    ns.ip(web, "addr add %s/24 dev eth0" % WEB4,
          "addr add %s/64 dev eth0 nodad" % WEB6, "link set eth0 up",
          "route add default via 203.0.113.1",
          "route add default via 2001:db8:113::1")
    ns.ip(web, *["addr add %s dev lo" % a for a in FAMOUS])
    ns.ip(inet, *["route add %s via %s" % (a, WEB6 if ":" in a else WEB4)
                  for a in FAMOUS])
    lab.internet.run("nft", "-f", "-", input=WEB_NFT)
    lab.internet.daemon(os.path.join(lab.source, "webecho.py"), ns=web,
                        log=lab.path("web.log"))


def wait_web(lab):
    """Until the web server listens, which was started long before."""
    ns.wait_for("the web server", lambda: ns.run(
        ["ip", "netns", "exec", lab.ns("web"), "ss", "-Hltn",
         "sport = :80"]).stdout, 30)


def node_uplink(lab, node):
    """eth0 of a node, its default route, and the internet's routes back to
    its containers: a packet that leaks does reach the web server."""
    outer = outer_address(node)
    if node.endpoint:
        attach(lab, lab.ns(node.name), node.index)
        address, gateway = outer, router4(outer)
    else:
        address, gateway = nat.node_attach(lab, node, outer)
    six = UPLINK6 % node.index
    commands = ["addr add %s/24 dev eth0" % address, "link set eth0 up",
                "route add default via %s" % gateway]
    if node.endpoint:
        commands += ["addr add %s/64 dev eth0 nodad" % six,
                     "route add default via %s" % ROUTER6]
    elif node.lab.get("ipv6"):
        attach(lab, lab.ns(node.name), node.index, "eth6")
        commands += ["addr add %s/64 dev eth6 nodad" % six,
                     "link set eth6 up",
                     "route add default via %s" % ROUTER6]
    ns.ip(lab.ns(node.name), *commands)
    back = ["route replace %s via %s"
            % (s, outer if s.version == 4 else six)
            for s in node.subnets if node.endpoint]
    if back:
        ns.ip(lab.ns("internet"), *back)


def wg_device(host, name):
    """Makes a WireGuard device; returns whether it is the kernel's."""
    p = ns.run(["ip", "-n", host.ns, "link", "add", name, "type",
                "wireguard"], check=False)
    if p.returncode == 0:
        return True
    with open(host.path("wireguard-go.log"), "a") as log:
        p = host.spawn("env", "LOG_LEVEL=error", "wireguard-go", name,
                       stdout=log, stderr=log)
    if p.wait():
        raise LabError("%s: wireguard-go %s failed (see %s)"
                       % (host.name, name, host.path("wireguard-go.log")))
    return False


def wg_key(host, name):
    """A new private key, on disk only; returns its path and public key."""
    path = host.path(name + ".key")
    private = ns.run(["wg", "genkey"]).stdout
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as f:
        f.write(private)
    return path, ns.run(["wg", "pubkey"], input=private).stdout.strip()


def write_profile(host, path, key, text):
    """What wgcf would have made: the agent makes the device of it."""
    folder = "/etc/socknet/"
    if not path.startswith(folder):
        raise LabError("%s: profile %s is not in %s"
                       % (host.name, path, folder))
    fd = os.open(host.path("etc-socknet", path[len(folder):]),
                 os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as f, open(key) as k:
        f.write("[Interface]\nPrivateKey = %s%s" % (k.read(), text))


def warp_up(lab, node, interface, k):
    """A node's tunnel and its far end in the internet, which gives it an
    egress address of its own."""
    host, inet = lab.host(node.name), lab.internet
    far, port = "warp-%d" % k, 2408 + k
    key, public = wg_key(host, interface)
    far_key, far_public = wg_key(inet, far)
    near4, near6 = "172.16.%d.2" % k, "fd00:aa:%x::2" % k
    wg_device(inet, far)
    inet.run("wg", "set", far, "listen-port", str(port), "private-key",
             far_key, "peer", public, "allowed-ips",
             "%s/32,%s/128" % (near4, near6))
    ns.ip(inet.ns, "addr add 172.16.%d.1/24 dev %s" % (k, far),
          "addr add fd00:aa:%x::1/64 dev %s nodad" % (k, far),
          "link set %s mtu %d up" % (far, WARP_MTU))
    out4, out6 = egress(k)
    ns.ip(inet.ns, "addr add %s/24 dev veth-web" % out4,
          "addr add %s/64 dev veth-web nodad" % out6)
    inet.run("nft", "-f", "-", input="""
add rule inet lab post oifname "veth-web" ip saddr %s snat ip to %s
add rule inet lab post oifname "veth-web" ip6 saddr %s snat ip6 to %s
""" % (near4, out4, near6, out6))
    if interface in node.profiles:
        write_profile(host, node.profiles[interface], key, PROFILE % (
            near4, near6, WEB4, WARP_MTU, far_public,
            router4(outer_address(node)), port))
        return
    wg_device(host, interface)
    host.run("wg", "set", interface, "private-key", key, "peer", far_public,
             "endpoint", "%s:%d" % (router4(outer_address(node)), port),
             "allowed-ips", "0.0.0.0/0,::/0")
    # As a tunnel's own tool would see to, its addresses outlive its downs.
    for where, dev in (host.ns, interface), (inet.ns, far):
        ns.sysctl(where, "net.ipv6.conf.%s.keep_addr_on_down=1" % dev)
    ns.ip(host.ns, "addr add %s/32 dev %s" % (near4, interface),
          "addr add %s/128 dev %s nodad" % (near6, interface),
          "link set %s mtu %d up" % (interface, WARP_MTU))
