# The tarball takes every file that git has: nothing to list here.
