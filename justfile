# show the recipes
default:
    @just --list --unsorted

# everything that a change must pass
test:
    ./x test

# criterion, the quick suites of all three problems, and the report of them
bench:
    ./x bench-all

# criterion alone; a filter goes first
criterion *ARGS:
    ./x criterion {{ARGS}}

# make reports/ again from its records; on unchanged records nothing changes
report:
    ./x report

# how work grows with size, and hard problems: days; `./x scaling FOLDER --dry-run` says how long
scaling FOLDER="reports/record/scaling":
    ./x scaling {{FOLDER}}

# the first seed of it, half a second a trial
scaling-quick FOLDER="reports/record/scaling-quick":
    ./x scaling-quick {{FOLDER}}

# these records against those: just compare OLD NEW
compare +FOLDERS:
    ./x bench --compare {{FOLDERS}}

# record solvers on a suite: just measure bench-data/suites/chain.toml --out reports/record/DATE-MACHINE
measure *ARGS:
    ./x bench {{ARGS}}

# run plans on llama.cpp, which is downloaded and built; predicted and measured times go to FOLDER
validate-llamacpp FOLDER *ARGS:
    ./x validate-llamacpp {{FOLDER}} {{ARGS}}

# build edgeplan and run it
run *ARGS:
    ./x {{ARGS}}
