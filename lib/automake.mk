noinst_LTLIBRARIES += lib/libsnlib.la
lib_libsnlib_la_SOURCES = \
	lib/diag-fix.c \
	lib/diag-fix.h \
	lib/diag.c \
	lib/diag.h \
	lib/evloop.c \
	lib/evloop.h \
	lib/host-bridge.h \
	lib/ofproto-trace.c \
	lib/ofproto-trace.h \
	lib/prefix.c \
	lib/prefix.h \
	lib/rate.c \
	lib/rate.h \
	lib/sn-notify.c \
	lib/sn-notify.h \
	lib/sn-version.c \
	lib/sn-version.h \
	lib/suggest.c \
	lib/suggest.h \
	lib/work-set.h
