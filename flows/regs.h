#ifndef SN_REGS_H
#define SN_REGS_H 1

/* What the registers of the pipeline hold.  docs/pipeline.md is generated
 * from these lists.
 *
 *     NUMBER  NAME      PURPOSE */
#define SN_REGS                                                              \
    SN_REG(0, ENDPOINT, "number of the container that sent the packet; 0: "  \
                        "none")                                              \
    SN_REG(1, SRC_ID,   "identity of the connection's original source")      \
    SN_REG(2, DST_ID,   "identity of the connection's original destination") \
    SN_REG(3, FLAGS,    "what is known of the packet: see the flags")        \
    SN_REG(4, RULE,     "the rule that accepted; goes to ct_mark")           \
    SN_REG(5, OUT,      "how the packet leaves: see the ways out")           \
    SN_REG(6, OUT_ID,   "the exit or the container that it leaves by")       \
    SN_REG(7, SCRATCH,  "an address while two are swapped")                  \
    SN_REG(8, ADDRESS6, "the first IPv6 address of the container that sent " \
                        "the packet (reg8 to reg11)")                        \
    SN_REG(12, REPORTER, "number of the container that may report ICMP "     \
                        "errors of the connection; 0: none of this host")

/* Flags of register 3.
 *
 *      BIT     NAME            PURPOSE */
#define SN_FLAGS                                                             \
    SN_FLAG(0x0001, FROM_CONTAINER, "sent by a container of this host")      \
    SN_FLAG(0x0002, FROM_LOCAL,     "sent by the host: itself, the mesh or " \
                                    "an exit's replies")                     \
    SN_FLAG(0x0004, HAS_EXIT,       "its sender has the exit in register 6") \
    SN_FLAG(0x0008, HAS_IPV6,       "its sender's IPv6 address is in "       \
                                    "register 8")                            \
    SN_FLAG(0x0010, SRC_LOCAL, "original source: a container of this host")  \
    SN_FLAG(0x0020, SRC_HOST,  "original source: this host")                 \
    SN_FLAG(0x0040, SRC_MESH,  "original source: within the mesh")           \
    SN_FLAG(0x0080, SRC_GUEST, "original source: a guest's network")         \
    SN_FLAG(0x0100, DST_LOCAL, "original destination: a container of this "  \
                               "host")                                       \
    SN_FLAG(0x0200, DST_HOST,  "original destination: this host")            \
    SN_FLAG(0x0400, DST_MESH,  "original destination: within the mesh")      \
    SN_FLAG(0x0800, DST_GUEST, "original destination: a guest's network")    \
    SN_FLAG(0x1000, RAW,       "admitted by a raw flow: no policy")          \
    SN_FLAG(0x2000, RAW_EXIT,  "a raw flow chose the exit for what leaves "  \
                               "the mesh")                                   \
    SN_FLAG(0x4000, RAW_HOST,  "a raw flow allows this host's addresses, "   \
                               "no others")                                  \
    SN_FLAG(0x8000, FROM_UNMANAGED, "sent by an uplink or another port that " \
                                    "socknet does not manage")               \
    SN_FLAG(0x10000, SERVICE,  "was sent to a virtual address")              \
    SN_FLAG(0x20000, HAIRPIN,  "a container's answer to itself, as a "       \
                               "backend")

/* Ways out, in register 5.
 *
 *      VALUE   NAME       PURPOSE */
#define SN_OUTS                                                              \
    SN_OUT(1, ADDRESS,   "the local container that has the address")         \
    SN_OUT(2, HOST,      "the host: for itself or to route into the mesh")   \
    SN_OUT(3, EXIT,      "the exit in register 6")                           \
    SN_OUT(4, ENDPOINT,  "the local container in register 6 (raw flows)")    \
    SN_OUT(5, NEIGHBOUR, "the local container that is solicited (IPv6)")     \
    SN_OUT(6, UNMANAGED, "the ports that socknet does not manage, the host") \
    SN_OUT(7, OTHERS,    "these ports, but not the host")

enum sn_reg {
#define SN_REG(NUMBER, NAME, PURPOSE) SN_REG_##NAME = NUMBER,
    SN_REGS
#undef SN_REG
};

enum sn_flag {
#define SN_FLAG(BIT, NAME, PURPOSE) SN_F_##NAME = BIT,
    SN_FLAGS
#undef SN_FLAG
};

enum sn_out {
#define SN_OUT(VALUE, NAME, PURPOSE) SN_OUT_##NAME = VALUE,
    SN_OUTS
#undef SN_OUT
};

/* From the flags of an address as a source to those as a destination. */
#define SN_F_DST_SHIFT 4

/* The bit of the ct_label of a connection that the services' zone translates
 * (lib/host-bridge.h). */
#define SN_CT_LABEL_SERVICE_BIT 64

#endif /* flows/regs.h */
