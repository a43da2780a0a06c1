# show the recipes
default:
    @just --list --unsorted

# everything that a change must pass
test:
    ./x test

# build edgeplan and run it
run *ARGS:
    ./x {{ARGS}}
