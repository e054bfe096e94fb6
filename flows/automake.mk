noinst_LTLIBRARIES += flows/libsnflows.la
flows_libsnflows_la_SOURCES =
