noinst_LTLIBRARIES += cli/libsncli.la
cli_libsncli_la_SOURCES = \
	cli/affected.c \
	cli/affected.h \
	cli/apply-run.c \
	cli/apply-run.h \
	cli/apply-wait.c \
	cli/apply-wait.h \
	cli/ask.c \
	cli/ask.h \
	cli/cause.c \
	cli/cause.h \
	cli/choose-node.c \
	cli/choose-node.h \
	cli/classes.c \
	cli/classes.h \
	cli/cmd-apply.c \
	cli/cmd-bundle.c \
	cli/cmd-check.c \
	cli/client-list.c \
	cli/client-list.h \
	cli/client-profile.c \
	cli/client-profile.h \
	cli/client-qr.c \
	cli/cmd-client.c \
	cli/cmd-compile.c \
	cli/cmd-containers.c \
	cli/cmd-db.c \
	cli/cmd-doctor.c \
	cli/cmd-exit.c \
	cli/cmd-explain.c \
	cli/cmd-export.c \
	cli/cmd-flows.c \
	cli/cmd-history.c \
	cli/cmd-node.c \
	cli/cmd-nodes.c \
	cli/cmd-services.c \
	cli/cmd-peers.c \
	cli/cmd-pki.c \
	cli/cmd-plan.c \
	cli/cmd-prove.c \
	cli/cmd-rollback.c \
	cli/cmd-status.c \
	cli/cmd-trace.c \
	cli/cmd-why.c \
	cli/command.h \
	cli/commands.c \
	cli/connections.c \
	cli/connections.h \
	cli/commit.c \
	cli/commit.h \
	cli/db-cluster.c \
	cli/db-cluster.h \
	cli/db-copy.c \
	cli/db-file.c \
	cli/db-file.h \
	cli/db-files.c \
	cli/db-health.c \
	cli/db-health.h \
	cli/db-member.c \
	cli/db-options.h \
	cli/db-relay-file.c \
	cli/db-relay-file.h \
	cli/db-schema.h \
	cli/db-server.c \
	cli/db-show.c \
	cli/db-tool.c \
	cli/db-tool.h \
	cli/db-torn.c \
	cli/db-torn.h \
	cli/doctor-firewall.c \
	cli/doctor-host.c \
	cli/doctor-kernel.c \
	cli/doctor-keys.c \
	cli/doctor-net.c \
	cli/doctor-routes.c \
	cli/doctor-switch.c \
	cli/doctor.c \
	cli/doctor.h \
	cli/fabric.c \
	cli/fabric.h \
	cli/fix-file.c \
	cli/fix-file.h \
	cli/flow-list.c \
	cli/flow-list.h \
	cli/flow-switch.c \
	cli/local-daemon.c \
	cli/local-daemon.h \
	cli/make-dirs.c \
	cli/make-dirs.h \
	cli/offline.c \
	cli/offline.h \
	cli/nft-walk.c \
	cli/nft-walk.h \
	cli/object-list.c \
	cli/object-list.h \
	cli/object-switch.c \
	cli/object-switch.h \
	cli/output.c \
	cli/output.h \
	cli/pairs.c \
	cli/pairs.h \
	cli/pki-cert.c \
	cli/pki-cert.h \
	cli/plan-file.c \
	cli/plan-file.h \
	cli/policy-tests.c \
	cli/policy-tests.h \
	cli/port-marks.c \
	cli/port-marks.h \
	cli/probes.c \
	cli/probes.h \
	cli/problems.c \
	cli/problems.h \
	cli/proposal.c \
	cli/proposal.h \
	cli/protocol.c \
	cli/protocol.h \
	cli/prove-run.c \
	cli/prove-run.h \
	cli/reach-output.c \
	cli/reach-output.h \
	cli/reach.c \
	cli/reach.h \
	cli/redact.c \
	cli/redact.h \
	cli/revisions.c \
	cli/revisions.h \
	cli/run-program.c \
	cli/run-program.h \
	cli/scratch-process.c \
	cli/scratch-process.h \
	cli/scratch-switch.c \
	cli/scratch-switch.h \
	cli/session.c \
	cli/session.h \
	cli/state-file.c \
	cli/state-file.h \
	cli/state-source.c \
	cli/state-source.h \
	cli/trace-blame.c \
	cli/trace-blame.h \
	cli/trace-ends.c \
	cli/trace-ends.h \
	cli/trace-run.c \
	cli/trace-run.h \
	cli/status-rows.c \
	cli/status-rows.h \
	cli/verify.c \
	cli/verify.h

bin_PROGRAMS += cli/socknet
cli_socknet_SOURCES = cli/main.c
cli_socknet_LDADD = cli/libsncli.la $(SN_LIBS) $(EXT_LIBS)

# The schema as text, so that a program has the one it was built for.
nodist_cli_libsncli_la_SOURCES = cli/db-schema.c
BUILT_SOURCES += cli/db-schema.c
CLEANFILES += cli/db-schema.c
cli/db-schema.c: schemas/socknet.ovsschema
	$(AM_V_GEN)$(MKDIR_P) cli && { \
	    echo '#include <config.h>' && \
	    echo '#include "cli/db-schema.h"' && \
	    echo 'const char db_schema[] =' && \
	    sed -e 's/["\\]/\\&/g' -e 's/.*/"&\\n"/' \
	        $(srcdir)/schemas/socknet.ovsschema && \
	    echo ';'; } >$@.tmp && mv $@.tmp $@

# Installed under the command's name, by which bash looks for it.
EXTRA_DIST += cli/socknet.bash-completion
install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(datadir)/bash-completion/completions"
	$(INSTALL_DATA) $(srcdir)/cli/socknet.bash-completion \
	    "$(DESTDIR)$(datadir)/bash-completion/completions/socknet"
uninstall-local:
	rm -f "$(DESTDIR)$(datadir)/bash-completion/completions/socknet"
