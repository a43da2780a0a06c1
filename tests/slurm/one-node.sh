#!/bin/sh
# tests/slurm/one-node.sh EDGEPLAN: a suite on a real Slurm of one node; see README.md.
set -eu
edgeplan=$(realpath "${1:?the path of edgeplan is needed}")
place=$(mktemp -d)
host=$(hostname -s)
cpus=$(nproc)
export SLURM_CONF="$place/slurm.conf"

# Ends what this script started, by its process ids, and shows logs where a step failed.
end() {
    code=$?
    for daemon in slurmd slurmctld munged; do
        [ ! -s "$place/$daemon.pid" ] || kill "$(cat "$place/$daemon.pid")" 2>/dev/null || true
    done
    [ "$code" = 0 ] || tail -n 20 "$place"/*.log "$place"/record.shards/*.txt >&2 || true
    sleep 1
    rm -rf "$place"
    exit "$code"
}
trap end EXIT
trap 'exit 130' INT TERM

# Waits until a command succeeds.
await() {
    for _ in $(seq 600); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "in vain: $*" >&2
    exit 1
}

# Whether no job is waiting or running.
idle() {
    [ -z "$(squeue --noheader)" ]
}

fail() {
    echo "$1" >&2
    exit 1
}

chmod 755 "$place"
mkdir "$place/state" "$place/spool"
dd if=/dev/urandom of="$place/munge.key" bs=1 count=1024 status=none
chmod 600 "$place/munge.key"
munged --force --key-file="$place/munge.key" --socket="$place/munge.socket" \
    --pid-file="$place/munged.pid" --log-file="$place/munged.log" --seed-file="$place/munge.seed"

cat >"$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$host
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge.socket
CredType=cred/munge
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
KillWait=5
NodeName=$host CPUs=$cpus RealMemory=$(awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo) State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
slurmctld
slurmd
await sh -c 'sinfo --noheader --format=%T | grep -q idle'
sinfo

cat >"$place/suite.toml" <<SUITE
analysis = "Four instances that HiGHS does not prove in the time that it gets."
solvers = ["highs", "fastest-first"]
[[family]]
name = "random"
layers = [42]
devices = [12]
formats = 8
seeds = [0, 1, 2, 3]
SUITE
cd "$place"
"$edgeplan" bench suite.toml --out record --time 4 --job slurm --shards 4

# The first time, one task is cancelled while it runs.
sh job.sh
array=$(squeue --noheader --array --format=%F --name=edgeplan-suite | sort -un | head -n 1)
await test -e record.shards/2/.lock
squeue --array
scancel "${array}_2"
await idle
[ ! -e record ] || fail "a cancelled task was merged"
[ ! -e record.shards/2.done ] || fail "a cancelled task has ended"
for shard in 1 3 4; do
    [ -e "record.shards/$shard.done" ] || fail "shard $shard has not ended"
done
cp record.shards/1/records.csv first.csv

# The second time, what is recorded stays.
sh job.sh
await idle
cat record.shards/merge.txt
cmp first.csv record.shards/1/records.csv
rows=$(tail -n +2 record/records.csv | wc -l)
[ "$rows" = 8 ] || fail "$rows trials instead of 8"
"$edgeplan" bench suite.toml --out record --time 4 --dry-run
echo "a cancelled task was resumed, and all four were merged"
