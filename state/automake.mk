noinst_LTLIBRARIES += state/libsnstate.la
state_libsnstate_la_SOURCES = \
	state/load.h \
	state/model-address.c \
	state/model-object.c \
	state/model.c \
	state/model.h \
	state/name.c \
	state/name.h \
	state/rawflow.h \
	state/selector.c
