"""NATs, of the kinds that hosts sit behind.

    cone                who knows the mapping may use it
    address-restricted  whoever was called from inside, from any port
    port-restricted     only the address and port that was called (Linux's)
    symmetric           the same, and another port for each destination
    blocked             no UDP at all

A line "# lab: {node: {nat: KIND, behind: NODE, hairpin: true}}" in the state
file says so; without one it is port-restricted.  A list of kinds is one NAT
behind the other, the inner first; "behind" is the LAN of a node above.
"ipv6: true" gives the node an address of its own, on eth6, besides.
"""

from . import ns

PORT = 51821


def rules(kind, outer, inside, hairpin):
    """What a router of this kind does for the host at 'inside'."""
    random = " random,fully-random" if kind == "symmetric" else ""
    dnat = {"cone": "", "address-restricted": "ip saddr @called "}.get(kind)
    lines = ["table ip lab {",
             " set called { type ipv4_addr; flags dynamic,timeout;"
             " timeout 5m; }",
             " chain pre { type nat hook prerouting priority dstnat;"
             " policy accept;"]
    if dnat is not None:
        lines.append('  iifname "eth0" %sudp dport %d dnat to %s'
                     % (dnat, PORT, inside))
    if hairpin:
        lines.append('  iifname "inside" ip daddr %s udp dport %d dnat to %s'
                     % (outer, PORT, inside))
    lines += [" }",
              " chain post { type nat hook postrouting priority srcnat;"
              " policy accept;",
              '  oifname "eth0" masquerade' + random]
    if hairpin:
        lines.append('  iifname "inside" oifname "inside" masquerade')
    # What is not for it leaves no trace in conntrack, as at any router.
    lines += [" }",
              " chain input { type filter hook input priority filter;"
              " policy accept;",
              '  iifname "eth0" ct state new drop',
              " }",
              " chain forward { type filter hook forward priority filter;"
              " policy drop;",
              '  iifname "inside" update @called { ip daddr }']
    if kind == "blocked":
        lines.append("  meta l4proto udp drop")
    lines += ['  iifname "inside" accept',
              "  ct state established,related accept",
              "  ct status dnat accept", " }", "}"]
    return "\n".join(lines)


def router_up(nsname, outer, gateway, lan, kind, inside, hairpin=False):
    """Its eth0 is there; gives it an inside, the bridge of its LAN."""
    ns.sysctl(nsname, "net.ipv4.ip_forward=1")
    ns.ip(nsname, "addr add %s/24 dev eth0" % outer, "link set eth0 up",
          "link add inside type bridge", "addr add %s/24 dev inside" % lan,
          "link set inside up", "route add default via " + gateway)
    # A LAN's switch translates nothing (where br_netfilter is loaded).
    ns.run(["ip", "netns", "exec", nsname, "sysctl", "-qw",
            "net.bridge.bridge-nf-call-iptables=0"], check=False)
    ns.run(["ip", "netns", "exec", nsname, "nft", "-f", "-"],
           input=rules(kind, outer, inside, hairpin))


def plug(nsname, inner, port):
    """eth0 of the namespace 'inner' into the LAN of a router."""
    ns.run(["ip", "link", "add", "eth0", "netns", inner, "type", "veth",
            "peer", "name", port, "netns", nsname])
    ns.ip(nsname, "link set %s master inside up" % port)


def node_attach(lab, node, outer):
    """Puts a host behind its NAT; its address and gateway."""
    from . import inet
    owner = node.lab.get("behind")
    if owner:
        k = lab.node(owner).index
        plug(lab.ns("nat-" + owner), lab.ns(node.name), "in%d" % node.index)
        return "192.168.%d.%d" % (k, 2 + node.index), "192.168.%d.1" % k
    kinds = node.lab.get("nat", "port-restricted")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    k = node.index
    gateway = inet.router4(outer)
    if len(kinds) > 1:
        far = lab.ns("nat2-" + node.name)
        ns.ns_add(far)
        inet.attach(lab, far, k)
        inside = "10.99.%d.2" % k
        router_up(far, outer, gateway, "10.99.%d.1" % k, kinds[1], inside)
        outer, gateway = inside, "10.99.%d.1" % k
    near = lab.ns("nat-" + node.name)
    ns.ns_add(near)
    if len(kinds) > 1:
        plug(far, near, "in%d" % k)
    else:
        inet.attach(lab, near, k)
    address, lan = "192.168.%d.2" % k, "192.168.%d.1" % k
    router_up(near, outer, gateway, lan, kinds[0], address,
              node.lab.get("hairpin", False))
    plug(near, lab.ns(node.name), "in%d" % k)
    return address, lan
