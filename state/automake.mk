noinst_LTLIBRARIES += state/libsnstate.la
state_libsnstate_la_SOURCES = \
	state/build-container.c \
	state/build-node.c \
	state/build-policy.c \
	state/build.c \
	state/build.h \
	state/document.c \
	state/document.h \
	state/export.c \
	state/lint.c \
	state/lint.h \
	state/load.c \
	state/load.h \
	state/merge.c \
	state/merge.h \
	state/model-address.c \
	state/model-object.c \
	state/model.c \
	state/model.h \
	state/name.c \
	state/name.h \
	state/places.c \
	state/places.h \
	state/rawflow-text.c \
	state/rawflow-text.h \
	state/rawflow.c \
	state/rawflow.h \
	state/schema-json.c \
	state/schema-check.c \
	state/schema-json.c \
	state/schema.c \
	state/schema.h \
	state/selector.c \
	state/yaml.c \
	state/yaml.h
