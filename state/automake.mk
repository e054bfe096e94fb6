noinst_LTLIBRARIES += state/libsnstate.la
state_libsnstate_la_SOURCES =
