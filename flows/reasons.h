#ifndef SN_REASONS_H
#define SN_REASONS_H 1

/* The detail of a cookie: what one flow of its owner is for.  Those from
 * SN_REASON_DROPS on say why a packet is dropped. */
#define SN_REASONS                                                           \
    SN_REASON(0, NONE, "")                                                   \
    SN_REASON(1, PORT, "known port")                                         \
    SN_REASON(2, SOURCE, "source address checked")                           \
    SN_REASON(3, NEIGHBOUR, "neighbour found")                               \
    SN_REASON(4, DELIVER, "delivered")                                       \
    SN_REASON(5, EXIT, "leaves by its exit")                                 \
    SN_REASON(6, ROUTE, "routed")                                            \
    SN_REASON(7, PROCEED, "on to the next stage")                            \
    SN_REASON(8, REPLIES, "replies of what it admitted")                     \
    SN_REASON(9, COMMIT, "new connection recorded")                          \
    SN_REASON(10, TRACK, "connection looked up")                             \
    SN_REASON(11, MEMBER, "one side of its rules")                           \
    SN_REASON(12, DECIDED, "decided at the source")                          \
    SN_REASON(13, SWITCH, "plain switching among unmanaged ports")           \
    SN_REASON(14, RATE, "limited to its rate")                               \
    SN_REASON(15, WITHHELD, "not to the host: an address of the mesh")       \
    SN_REASON(16, REPORT, "reports an ICMP error of its own connections")    \
    SN_REASON(21, BALANCE, "a backend for a new connection")                 \
    SN_REASON(22, TRANSLATE, "translated")                                   \
    SN_REASON(23, HAIRPIN, "to itself, as a backend")                        \
    SN_REASON(24, NO_BACKEND, "refused by the host: no backend")             \
    SN_REASON(25, NO_SERVICE, "refused by the host: no such service")        \
    SN_REASON(26, REFUSED, "the host's refusal")                             \
    SN_REASON(100, DROP_UNKNOWN_PORT,                                        \
              "drop: unknown port, or a MAC that is not its port's")         \
    SN_REASON(101, DROP_QUARANTINE, "drop: the container is quarantined")    \
    SN_REASON(102, DROP_VLAN, "drop: VLAN tag")                              \
    SN_REASON(103, DROP_FROM_EXIT, "drop: nothing comes from an exit port")  \
    SN_REASON(104, DROP_SPOOFED, "drop: spoofed source")                     \
    SN_REASON(105, DROP_DHCP, "drop: DHCP, addresses are declared")          \
    SN_REASON(106, DROP_RA, "drop: router advertisement or redirect")        \
    SN_REASON(107, DROP_DAD, "drop: address probe, nothing to answer")       \
    SN_REASON(108, DROP_MULTICAST, "drop: broadcast or multicast")           \
    SN_REASON(109, DROP_NO_NEIGHBOUR, "drop: nobody has that address")       \
    SN_REASON(110, DROP_INVALID, "drop: no valid connection")                \
    SN_REASON(111, DROP_NO_RULE, "drop: no rule allows it")                  \
    SN_REASON(112, DROP_NO_EXIT, "drop: the container has no exit")          \
    SN_REASON(113, DROP_EXIT_DOWN, "drop: the exit is down")                 \
    SN_REASON(114, DROP_TRANSIT,                                             \
              "drop: neither end is a container of this host")               \
    SN_REASON(115, DROP_NO_ROUTE, "drop: no route")                          \
    SN_REASON(116, DROP_NOT_PLUGGED, "drop: no such container plugged in")   \
    SN_REASON(117, DROP_RULE, "drop: denied")                                \
    SN_REASON(118, DROP_NOT_HOST, "drop: not an address of this host")       \
    SN_REASON(119, DROP_RAW_TARGET, "drop: its target is not there")         \
    SN_REASON(120, DROP_MARTIAN, "drop: address that is never routed")       \
    SN_REASON(121, DROP_UNSPECIFIC, "drop: nothing matched")                 \
    SN_REASON(122, DROP_REVOKED, "drop: the node is revoked")                \
    SN_REASON(131, DROP_NO_SERVICE, "drop: no such service")

enum sn_reason {
#define SN_REASON(VALUE, NAME, TEXT) SN_WHY_##NAME = VALUE,
    SN_REASONS
#undef SN_REASON
};
#define SN_REASON_DROPS 100

const char *sn_reason_text(int reason);         /* NULL: unknown. */

#endif /* flows/reasons.h */
