#!/bin/sh
# Compiles a crate of the workspace with the counters that libFuzzer reads: cargo calls this as
# RUSTC_WORKSPACE_WRAPPER, so that crates from registries are not compiled again. Build scripts are
# programs of their own, without libFuzzer to link against.
case " $* " in
*" build_script_"*) exec "$@" ;;
esac
exec "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares
