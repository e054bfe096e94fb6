# A unit test is one line here and tests/unit/NAME.c.
if HAVE_CMOCKA
UNIT_TESTS += tests/unit/test-sdk
UNIT_TESTS += tests/unit/test-install tests/unit/test-objects
UNIT_TESTS += tests/unit/test-diag tests/unit/test-document
UNIT_TESTS += tests/unit/test-model tests/unit/test-prefix
UNIT_TESTS += tests/unit/test-rawflow
UNIT_TESTS += tests/unit/test-model-sync
tests_unit_test_model_sync_SOURCES = tests/unit/test-model-sync.c \
	tests/unit/db-server.c tests/unit/db-server.h \
	tests/unit/sample-model.c tests/unit/sample-model.h
UNIT_TESTS += tests/unit/test-redact tests/unit/test-nft-walk
UNIT_TESTS += tests/unit/test-db-cache
tests_unit_test_db_cache_SOURCES = tests/unit/test-db-cache.c \
	tests/unit/db-server.c tests/unit/db-server.h \
	tests/unit/sample-model.c tests/unit/sample-model.h
UNIT_TESTS += tests/unit/test-dns tests/unit/test-exits
UNIT_TESTS += tests/unit/test-services tests/unit/test-service-status
tests_unit_test_service_status_SOURCES = tests/unit/test-service-status.c \
	tests/unit/db-server.c tests/unit/db-server.h \
	tests/unit/sample-model.c tests/unit/sample-model.h
tests_unit_test_dns_SOURCES = tests/unit/test-dns.c \
	tests/unit/dns-text.c tests/unit/dns-text.h
UNIT_TESTS += tests/unit/test-ct-config tests/unit/test-ct-inits \
	tests/unit/test-interfaces
UNIT_TESTS += tests/unit/test-keys tests/unit/test-plan-host \
	tests/unit/test-plan \
	tests/unit/test-wg
UNIT_TESTS += tests/unit/test-handover tests/unit/test-ofproto-trace \
	tests/unit/test-relay
UNIT_TESTS += tests/unit/test-notify
UNIT_TESTS += tests/unit/test-space tests/unit/test-prove
UNIT_TESTS += tests/unit/test-tampering
tests_unit_test_tampering_SOURCES = tests/unit/test-tampering.c \
	tests/unit/prove-host.c tests/unit/prove-host.h \
	tests/unit/flow-model.c tests/unit/flow-model.h
tests_unit_test_prove_SOURCES = tests/unit/test-prove.c \
	tests/unit/prove-host.c tests/unit/prove-host.h \
	tests/unit/random-world.c tests/unit/random-world.h \
	tests/unit/flow-model.c tests/unit/flow-model.h
UNIT_TESTS += tests/unit/test-flows tests/unit/test-flows-random
tests_unit_test_flows_SOURCES = tests/unit/test-flows.c \
	tests/unit/flow-model.c tests/unit/flow-model.h
tests_unit_test_flows_random_SOURCES = tests/unit/test-flows-random.c \
	tests/unit/random-world.c tests/unit/random-world.h \
	tests/unit/flow-model.c tests/unit/flow-model.h
endif

# Folders of pytest files that need no root; those that do not exist are
# skipped in silence, a run that finds no test at all fails.
PYTESTS = tests/style tests/cli tests/debian tests/state tests/db tests/golden \
	tests/fuzz tests/controller

check_PROGRAMS += $(UNIT_TESTS)
LDADD = cli/libsncli.la controller/libsncontroller.la agent/libsnagent.la \
	$(SN_LIBS) $(EXT_LIBS) $(CMOCKA_LIBS)

# Options for the runner, such as TESTFLAGS="-k mesh".
TESTFLAGS =
RUN_TESTS = SOCKNET_COMPILE='$(COMPILE)' \
	$(PYTHON3) -B $(srcdir)/tests/run-tests --srcdir=$(srcdir) \
	--builddir=$(abs_builddir)

check-local:
	@$(RUN_TESTS) --name=check $(UNIT_TESTS:%=--unit=%) \
	    $(PYTESTS:%=--pytest=%) $(TESTFLAGS)

check-system: all
	@test "`id -u`" = 0 || { echo "make check-system: run as root" >&2; \
	    exit 1; }
	@n=`nproc`; test $$n -lt 4 || many="-n $$((n / 2)) --dist loadfile"; \
	$(RUN_TESTS) --name=check-system --pytest=tests/system $$many \
	    $(TESTFLAGS)

# Random states: rules, flows, and packets in a real switch have to agree.
check-random: all
	@SOCKNET_STATES=$${SOCKNET_STATES:-400} \
	    SOCKNET_TRACES=$${SOCKNET_TRACES:-100} \
	    $(RUN_TESTS) --name=check-random \
	    --pytest=tests/controller/test_real_switch.py $(TESTFLAGS) -s

check-kernel: all
	$(srcdir)/tests/kernel/run $(abs_builddir)

bench: all tests/bench/switches
	$(srcdir)/tests/bench/run $(abs_builddir)

# A thousand hosts, a controller on each of them: minutes, and 4 GB.
bench-long: all tests/bench/switches
	$(srcdir)/tests/bench/scale --long $(srcdir) $(abs_builddir)

# The same work done by Debian's OVN, if it is installed.
bench-ovn: all
	$(srcdir)/tests/bench/ovn $(srcdir) $(abs_builddir)

# The longer tests of a database that is a cluster.
check-fleet: all
	@SOCKNET_FLEET=1 $(RUN_TESTS) --name=check-fleet \
	    --pytest=tests/system/test_fleet.py $(TESTFLAGS)

# Builds Debian's packages, installs and runs them; some minutes.
check-packages: all
	-$(srcdir)/build-aux/install-deps --packages
	@$(RUN_TESTS) --name=check-packages --pytest=tests/packages \
	    $(TESTFLAGS)

clean-local:
	rm -rf tests/results

# The tarball must build and pass by itself, from a read-only source.
check-dist:
	$(MAKE) distcheck

check_PROGRAMS += tests/state/load-state

check_PROGRAMS += tests/bench/compile
tests_bench_compile_SOURCES = tests/bench/compile.c \
	tests/unit/flow-model.c tests/unit/flow-model.h

check_PROGRAMS += tests/bench/switches
tests_bench_switches_SOURCES = tests/bench/switches.c \
	tests/bench/sim-switch.c tests/bench/sim-switch.h

check_PROGRAMS += tests/bench/prove-speed
tests_bench_prove_speed_SOURCES = tests/bench/prove-speed.c \
	tests/unit/flow-model.c tests/unit/flow-model.h
