# show the recipes
default:
    @just --list --unsorted

# everything that a change must pass
test:
    ./x test

# compare all solvers on a handful of fixed instances: answers, then times
bench *ARGS:
    ./x bench {{ARGS}}

# build edgeplan and run it
run *ARGS:
    ./x {{ARGS}}
