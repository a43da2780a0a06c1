# show the recipes
default:
    @just --list --unsorted

# everything that a change must pass
test:
    ./x test

# measure solvers on a suite: just bench bench-data/suites/chain.toml --out reports/record/DATE-MACHINE
bench *ARGS:
    ./x bench {{ARGS}}

# compare all solvers on a handful of fixed instances: answers, then times
criterion *ARGS:
    ./x criterion {{ARGS}}

# build edgeplan and run it
run *ARGS:
    ./x {{ARGS}}
