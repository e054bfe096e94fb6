noinst_LTLIBRARIES += flows/libsnflows.la
flows_libsnflows_la_SOURCES = \
	flows/changes.c \
	flows/claims.c flows/claims.h \
	flows/compiler.c flows/compiler.h flows/compiler-private.h \
	flows/context.c \
	flows/cookie.c flows/cookie.h \
	flows/diff.c flows/diff.h \
	flows/emit.c flows/emit.h \
	flows/explain.c flows/explain.h \
	flows/flow-key.h flows/flow-set.c \
	flows/idreg.c flows/idreg.h \
	flows/limits.c flows/limits.h \
	flows/object-claims.c flows/object-claims.h \
	flows/objects.c flows/objects.h \
	flows/points.c flows/points.h \
	flows/policy.c flows/policy.h \
	flows/policy-clauses.c flows/policy-rules.c \
	flows/ports.c flows/ports.h \
	flows/reasons.h flows/regs.h \
	flows/stage-arp-nd.c \
	flows/stage-classify.c \
	flows/stage-conntrack.c \
	flows/stage-deliver.c \
	flows/stage-guard.c \
	flows/stage-identity.c \
	flows/stage-policy.c \
	flows/stage-route.c \
	flows/stage-service.c \
	flows/stage-user.c flows/user.h \
	flows/tables.c flows/tables.h \
	flows/space.c flows/space.h \
	flows/header.c flows/header.h \
	flows/symbolic.c flows/symbolic.h flows/symbolic-private.h \
	flows/symbolic-carry.c flows/symbolic-fate.c flows/symbolic-live.c \
	flows/symbolic-table.c \
	flows/expect.c flows/expect.h flows/expect-rules.c flows/expect-raw.c \
	flows/prove.c flows/prove.h flows/prove-private.h \
	flows/prove-ends.c flows/prove-tables.c \
	flows/walk.c flows/walk.h

# Prints what docs/pipeline.md says of the registries.
noinst_PROGRAMS += flows/print-registry
flows_print_registry_SOURCES = flows/print-registry.c
