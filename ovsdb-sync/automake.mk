noinst_LTLIBRARIES += ovsdb-sync/libsnsync.la
ovsdb_sync_libsnsync_la_SOURCES = \
	ovsdb-sync/cache-file.c \
	ovsdb-sync/cache-file.h \
	ovsdb-sync/cache-replay.c \
	ovsdb-sync/cache-replay.h \
	ovsdb-sync/cache-schema.h \
	ovsdb-sync/db-cache.c \
	ovsdb-sync/db-cache.h \
	ovsdb-sync/db-connection.c \
	ovsdb-sync/db-connection.h \
	ovsdb-sync/db-probe.c \
	ovsdb-sync/db-probe.h \
	ovsdb-sync/exit-views.c \
	ovsdb-sync/exit-views.h \
	ovsdb-sync/machine-ports.c \
	ovsdb-sync/machine-ports.h \
	ovsdb-sync/found.c \
	ovsdb-sync/found.h \
	ovsdb-sync/fallback.c \
	ovsdb-sync/fallback.h \
	ovsdb-sync/model-apply.c \
	ovsdb-sync/model-apply.h \
	ovsdb-sync/model-rows-client.c \
	ovsdb-sync/model-rows-exit.c \
	ovsdb-sync/model-rows-host.c \
	ovsdb-sync/model-rows-mesh.c \
	ovsdb-sync/model-rows-private.h \
	ovsdb-sync/model-rows-service.c \
	ovsdb-sync/model-rows.c \
	ovsdb-sync/model-rows.h \
	ovsdb-sync/model-sync-fallback.c \
	ovsdb-sync/model-sync-private.h \
	ovsdb-sync/model-sync.c \
	ovsdb-sync/model-sync.h \
	ovsdb-sync/request.c \
	ovsdb-sync/request.h \
	ovsdb-sync/revision.c \
	ovsdb-sync/revision.h \
	ovsdb-sync/service-status.c \
	ovsdb-sync/service-status.h \
	ovsdb-sync/status-sync.c \
	ovsdb-sync/status-sync.h
nodist_ovsdb_sync_libsnsync_la_SOURCES = \
	ovsdb-sync/cache-schema.c \
	ovsdb-sync/cache-file.c \
	ovsdb-sync/cache-file.h \
	ovsdb-sync/cache-replay.c \
	ovsdb-sync/cache-replay.h \
	ovsdb-sync/cache-schema.h \
	ovsdb-sync/db-cache.c \
	ovsdb-sync/db-cache.h \
	ovsdb-sync/socknet-idl.c \
	ovsdb-sync/socknet-idl.h

# The IDL of the central database, generated into the build folder.
BUILT_SOURCES += ovsdb-sync/cache-schema.c \
	ovsdb-sync/socknet-idl.c ovsdb-sync/socknet-idl.h
CLEANFILES += ovsdb-sync/socknet.ovsidl $(nodist_ovsdb_sync_libsnsync_la_SOURCES)

ovsdb-sync/socknet.ovsidl: schemas/socknet.ovsschema schemas/socknet-idl.ann
	$(AM_V_GEN)$(MKDIR_P) ovsdb-sync && \
	$(OVSDB_IDLC) annotate $(srcdir)/schemas/socknet.ovsschema \
	    $(srcdir)/schemas/socknet-idl.ann >$@.tmp && mv $@.tmp $@
ovsdb-sync/socknet-idl.c: ovsdb-sync/socknet.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-source ovsdb-sync/socknet.ovsidl \
	    >$@.tmp && mv $@.tmp $@
ovsdb-sync/socknet-idl.h: ovsdb-sync/socknet.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-header ovsdb-sync/socknet.ovsidl \
	    >$@.tmp && mv $@.tmp $@

# The schema of the cache as text.
ovsdb-sync/cache-schema.c: schemas/cache.sql
	$(AM_V_GEN)$(MKDIR_P) ovsdb-sync && { \
	    echo '#include <config.h>' && \
	    echo '#include "ovsdb-sync/cache-schema.h"' && \
	    echo 'const char cache_schema[] =' && \
	    sed -e 's/["\\]/\\&/g' -e 's/.*/"&\\n"/' \
	        $(srcdir)/schemas/cache.sql && \
	    echo ';'; } >$@.tmp && mv $@.tmp $@
