noinst_LTLIBRARIES += lib/libsnlib.la
lib_libsnlib_la_SOURCES = \
	lib/sn-version.c \
	lib/sn-version.h
