#!/bin/sh
# Makes ./configure, in a tree that came out of git.
cd "$(dirname "$0")" && exec autoreconf --install --force
