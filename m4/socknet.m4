dnl SOCKNET_CC_OPTION(VARIABLE, FLAG): adds FLAG to VARIABLE if the compiler
dnl takes it.
AC_DEFUN([SOCKNET_CC_OPTION],
  [AC_MSG_CHECKING([whether $CC accepts $2])
   socknet_save_CFLAGS=$CFLAGS
   # gcc accepts every -Wno-x in silence, so ask for -Wx.
   CFLAGS="$CFLAGS -Werror m4_bpatsubst([$2], [^-Wno-], [-W])"
   AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
     [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
   CFLAGS=$socknet_save_CFLAGS])

dnl SOCKNET_LD_OPTION(VARIABLE, FLAG): the same for the linker.
AC_DEFUN([SOCKNET_LD_OPTION],
  [AC_MSG_CHECKING([whether linking accepts $2])
   socknet_save_LDFLAGS=$LDFLAGS
   LDFLAGS="$LDFLAGS -fPIE $2"
   AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
     [AC_MSG_RESULT([yes]); $1="$$1 $2"], [AC_MSG_RESULT([no])])
   LDFLAGS=$socknet_save_LDFLAGS])

dnl SOCKNET_CHECK_OVS: libopenvswitch, from the cache of build-aux/ovs-sdk or
dnl from a tree that the user built.  Sets OVS_CPPFLAGS, OVS_LIBS, OVS_SHARE
dnl (schema) and OVSDB_IDLC (the command).
AC_DEFUN([SOCKNET_CHECK_OVS],
  [AC_ARG_WITH([ovs-source],
     [AS_HELP_STRING([--with-ovs-source=DIR],
       [source tree of Open vSwitch (default: what build-aux/ovs-sdk made)])])
   AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
       [tree where it was built (default: the source tree)])])
   AC_MSG_CHECKING([for Open vSwitch])
   if test -n "$with_ovs_source"; then
     ovs_src=`cd "$with_ovs_source" && pwd` ||
       AC_MSG_ERROR([$with_ovs_source: no such folder])
     ovs_bld=`cd "${with_ovs_build:-$with_ovs_source}" && pwd` ||
       AC_MSG_ERROR([$with_ovs_build: no such folder])
     test -f "$ovs_bld/lib/.libs/libopenvswitch.a" ||
       AC_MSG_ERROR([$ovs_bld holds no lib/.libs/libopenvswitch.a: build it])
     OVS_CPPFLAGS=
     for d in "$ovs_bld" "$ovs_bld/lib" "$ovs_src/lib" \
              "$ovs_bld/include" "$ovs_src/include"; do
       OVS_CPPFLAGS="$OVS_CPPFLAGS -isystem $d"
     done
     ovs_libdir=$ovs_bld/lib/.libs
     ovs_deps=`sed -n "s/^dependency_libs='\(.*\)'\\$/\1/p" \
       "$ovs_bld/lib/libopenvswitch.la"`
     OVS_PYTHON=$ovs_src/python
     ovs_idlc=$ovs_bld/ovsdb/ovsdb-idlc
     OVS_DOC=$ovs_src/ovsdb/ovsdb-doc
     AC_MSG_RESULT([$ovs_src, built in $ovs_bld])
   else
     ovs_sdk=`"$srcdir/build-aux/ovs-sdk" --path 2>/dev/null` || {
       AC_MSG_RESULT([no])
       AC_MSG_ERROR([libopenvswitch is not built yet.
  Run  $srcdir/build-aux/ovs-sdk  once (it needs the package
  openvswitch-source; build-aux/install-deps installs all of them),
  or give  --with-ovs-source=DIR --with-ovs-build=DIR.])
     }
     OVS_CPPFLAGS="-isystem $ovs_sdk/include/ovs-private -isystem $ovs_sdk/include"
     ovs_libdir=$ovs_sdk/lib
     ovs_deps=`cat "$ovs_sdk/share/ovs/libs"`
     OVS_PYTHON=$ovs_sdk/share/ovs/python
     ovs_idlc=$ovs_sdk/share/ovs/ovsdb-idlc
     OVS_DOC=$ovs_sdk/share/ovs/ovsdb-doc
     AC_MSG_RESULT([$ovs_sdk])
   fi
   # The vectorised parts are in a library of their own, mutually dependent.
   # Not -Wl,--start-group: libtool moves -Wl in front of our own libraries.
   ovs_avx512=`ls "$ovs_libdir"/libopenvswitchavx512.a 2>/dev/null`
   OVS_LIBS="$ovs_libdir/libopenvswitch.a"
   if test -n "$ovs_avx512"; then
     OVS_LIBS="$OVS_LIBS $ovs_avx512 $ovs_libdir/libopenvswitch.a"
   fi
   OVS_LIBS="$OVS_LIBS $ovs_deps"
   ovs_py="PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$OVS_PYTHON $PYTHON3"
   AC_SUBST([OVS_CPPFLAGS])
   AC_SUBST([OVS_LIBS])
   AC_SUBST([OVSDB_IDLC], ["$ovs_py $ovs_idlc"])
   AC_SUBST([OVSDB_DOC], ["$ovs_py $OVS_DOC"])])
