#ifndef SN_SYMBOLIC_PRIVATE_H
#define SN_SYMBOLIC_PRIVATE_H 1

/* Among the files of symbolic: the tables as they are searched, and what
 * later ones look at. */

#include "flows/symbolic.h"

enum { SYM_N_TABLES = 256, SYM_N_REGS = 16 };

struct ofpact_set_field;

struct sym_flow {
    struct hmap_node node;      /* In a struct sym_group, by 'meta'. */
    const struct sn_flow *flow;
    struct header_match *matches;
    size_t n_matches;
    bool outside;               /* It matches more than a header has. */
    bool soft;                  /* Its actions are conjunctions. */
};

/* Flows that match the same bits of what is no part of a packet. */
struct sym_group {
    struct header_match *meta;  /* Without values. */
    size_t n_meta;
    struct hmap flows;
};

struct sym_region {
    const struct sn_flow *flow; /* The first of those with its actions. */
    space_set set;
    space_set *parts;           /* Yet to be united. */
    size_t n_parts, allocated_parts;
};

/* What each flow of a table gets of all packets with one header. */
struct sym_partition {
    struct hmap_node node;      /* In a struct sym_table, by 'key'. */
    struct header key;          /* As far as the table looks at it. */
    struct sym_region *regions;
    size_t n_regions, allocated_regions;
    space_set rest;             /* No flow's. */
    struct symbolic_trouble *ties;
    size_t n_ties, allocated_ties;
};

struct sym_state {
    struct hmap_node node;      /* In a struct sym_table, by 'header'. */
    struct header header;
    space_set set;
};

/* What a table looks at, if the flags (register 3) are at least these. */
struct sym_look {
    struct hmap_node node;      /* In a struct sym_table, by 'flags'. */
    uint32_t flags;
    uint8_t mask[HEADER_SIZE];
    uint8_t onward[HEADER_SIZE]; /* With all tables to come. */
    bool has_onward;
    bool partly[SYM_N_REGS];    /* Not only at the whole register. */
    uint32_t *values[SYM_N_REGS];       /* Sorted. */
    size_t n_values[SYM_N_REGS];
};

struct sym_table {
    struct sym_flow **flows;    /* By priority, the highest first. */
    size_t n_flows, allocated_flows;
    struct sym_group **groups;
    size_t n_groups;
    uint8_t mask[HEADER_SIZE];  /* What any of its flows matches. */
    bool sets[SYM_N_REGS];      /* A flow gives this register a value. */
    struct hmap partitions;
    struct hmap states;         /* Yet to be followed. */
    struct hmap looks;
};

struct sym {
    struct symbolic *result;
    struct space *space;
    const struct object_set *objects;
    struct sym_table tables[SYM_N_TABLES];
    bool flags_grow;            /* No flow clears a flag. */
    bool asks_for_rule;         /* A flow looks at the rule that accepted. */
    bool carries[SYM_N_REGS];   /* Sets may: see symbolic-carry.c. */
};

void sym_tables_init(struct sym *, const struct flow_set *);
void sym_tables_uninit(struct sym *);
const struct sym_partition *sym_partition_get(struct sym *,
                                              struct sym_table *,
                                              const struct header *);
/* Whether packets fare the same by the actions of two flows.  Without
 * 'strict', which rule gets the credit may differ, and how fast they may
 * go. */
bool sym_have_same_fate(const struct sn_flow *, const struct sn_flow *,
                        bool strict);
/* Bytes that are neither of a packet nor of a connection's tuple, and that no
 * set carries. */
bool sym_is_meta(size_t byte);

/* Whether no first packet of a connection can have this: such a packet is
 * either not looked up or "+new+trk", its mark and its label are 0. */
bool sym_never_matches(const struct header_match *);
/* Makes headers equal that no flow from 'next' on tells apart, of packets that
 * come from 'table'; 'set' carries what it can.  Returns the new one. */
space_set sym_forget(struct sym *, int table, int next, struct header *,
                     space_set);
void sym_looks_uninit(struct sym_table *);

/* Looks which registers sets may carry.  After sym_tables_init(). */
void sym_carry_init(struct sym *, const struct flow_set *);
bool sym_has_byte_of(const struct mf_field *, int reg);
bool sym_sets_all_of(const struct ofpact_set_field *, int reg);
/* The packets alone. */
space_set sym_drop_all(struct sym *, const struct header *, space_set);

#endif /* flows/symbolic-private.h */
