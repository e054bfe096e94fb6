# A fuzz target is one line here, tests/fuzz/NAME.c with
# LLVMFuzzerTestOneInput(), and seeds in tests/fuzz/seeds/X for fuzz-X.
# Without --enable-fuzz the target only replays files, which make check does
# with the seeds.
FUZZ_TARGETS = tests/fuzz/fuzz-state tests/fuzz/fuzz-compile \
	tests/fuzz/fuzz-rawflow \
	tests/fuzz/fuzz-ct-config tests/fuzz/fuzz-interfaces \
	tests/fuzz/fuzz-dns tests/fuzz/fuzz-uapi \
	tests/fuzz/fuzz-profile \
	tests/fuzz/fuzz-relay \
	tests/fuzz/fuzz-trace \
	tests/fuzz/fuzz-bundle
FUZZ_SECONDS = 30
FUZZ_SEED = 0

check_PROGRAMS += $(FUZZ_TARGETS)
FUZZ_LDADD = $(SN_LIBS) $(EXT_LIBS)

tests_fuzz_fuzz_rawflow_SOURCES = tests/fuzz/fuzz-rawflow.c $(FUZZ_MAIN)
tests_fuzz_fuzz_rawflow_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_rawflow_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_state_SOURCES = tests/fuzz/fuzz-state.c $(FUZZ_MAIN)
tests_fuzz_fuzz_state_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_state_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_compile_SOURCES = tests/fuzz/fuzz-compile.c $(FUZZ_MAIN)
tests_fuzz_fuzz_compile_LDADD = cli/libsncli.la $(FUZZ_LDADD)
tests_fuzz_fuzz_compile_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_bundle_SOURCES = tests/fuzz/fuzz-bundle.c $(FUZZ_MAIN)
tests_fuzz_fuzz_bundle_LDADD = cli/libsncli.la $(FUZZ_LDADD)
tests_fuzz_fuzz_bundle_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_dns_SOURCES = tests/fuzz/fuzz-dns.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_LDADD = agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_dns_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_ct_config_SOURCES = tests/fuzz/fuzz-ct-config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ct_config_LDADD = agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_ct_config_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_interfaces_SOURCES = tests/fuzz/fuzz-interfaces.c $(FUZZ_MAIN)
tests_fuzz_fuzz_interfaces_LDADD = agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_interfaces_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_uapi_SOURCES = tests/fuzz/fuzz-uapi.c $(FUZZ_MAIN)
tests_fuzz_fuzz_uapi_LDADD = agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_uapi_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_profile_SOURCES = tests/fuzz/fuzz-profile.c $(FUZZ_MAIN)
tests_fuzz_fuzz_profile_LDADD = agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_profile_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_trace_SOURCES = tests/fuzz/fuzz-trace.c $(FUZZ_MAIN)
tests_fuzz_fuzz_trace_LDADD = cli/libsncli.la agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_trace_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

tests_fuzz_fuzz_relay_SOURCES = tests/fuzz/fuzz-relay.c \
	agent/relay-conn.c $(FUZZ_MAIN)
tests_fuzz_fuzz_relay_LDADD = agent/libsnagent.la $(FUZZ_LDADD)
tests_fuzz_fuzz_relay_LDFLAGS = $(AM_LDFLAGS) $(FUZZER_FLAGS)

if ENABLE_FUZZ
FUZZ_MAIN =
FUZZER_FLAGS = -fsanitize=fuzzer
else
FUZZ_MAIN = tests/fuzz/replay.c
FUZZER_FLAGS =
endif

fuzz: $(BUILT_SOURCES)
	@$(MAKE) $(FUZZ_TARGETS)
	@$(srcdir)/tests/fuzz/run $(abs_builddir) $(FUZZ_SECONDS) $(FUZZ_SEED) \
	    $(FUZZ_TARGETS)
