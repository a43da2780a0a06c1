# show the recipes
default:
    @just --list --unsorted

# everything that a change must pass
test:
    ./x test

# compare all solvers on a handful of fixed instances: answers, then criterion's times
bench *ARGS:
    ./x criterion {{ARGS}}

# record solvers on a suite: just measure bench-data/suites/chain.toml --out reports/record/DATE-MACHINE
measure *ARGS:
    ./x bench {{ARGS}}

# build edgeplan and run it
run *ARGS:
    ./x {{ARGS}}
