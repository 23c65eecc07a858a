#!/usr/bin/env bash
# What a person with a GPU for ten minutes would want measured, in one go, each part with a time limit:
#
#     benchmarks/on_gpu.sh FOLDER [PART...]
#
# Each part writes FOLDER/PART.log, and what it measures to FOLDER/*.json row by row, so a part that is stopped leaves
# what it has. All parts, with their limits in seconds: machine 20, tests 240, pruning 30, training 100, decoding 90,
# auto 60, llm 400. In three visits: `machine tests pruning training`, then `decoding auto`, then `llm`.
# With SIZE=tiny DEVICE=cpu SLACK=10 in the environment everything runs, smaller and with longer limits, on any machine;
# with MODELS="esasrec rpg" the part `training` takes these models.
set -u
folder=$(mkdir -p "${1:?usage: benchmarks/on_gpu.sh FOLDER [PART...]}" && cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
size=${SIZE:-small} device=${DEVICE:-cuda} python=${PYTHON:-python} slack=${SLACK:-1}
if [ "$size" = tiny ]; then users=60 steps=5 batches="16 32" list=16,32 data=arts-sim:users=60,items=80; else
    users=2000 steps=60 batches="128 1024" list=128,1024 data=arts-sim; fi

part() { # name, seconds, command
    local name=$1 limit=$(($2 * slack)) start=$SECONDS
    shift 2
    echo "== $name (at most $limit s)"
    timeout -k 5 "$limit" "$@" >"$folder/$name.log" 2>&1
    echo "   exit code $? after $((SECONDS - start)) s: $folder/$name.log"
}

machine() {
    part machine 20 bash -c "nvidia-smi; command -v gcc; git rev-parse HEAD; $python -c '
import importlib.util, torch, transformers
print(torch.__version__, transformers.__version__, torch.cuda.is_available(), importlib.util.find_spec(\"triton\"))'"
}

tests() {
    part tests 240 "$python" -m pytest -q -rs -m gpu -o addopts=--import-mode=importlib -p no:cacheprovider --durations=10 \
        tests/test_gpu.py tests/decoders/search/test_penalty_walk.py tests/experiment/test_whole_runs.py
}

pruning() {
    part pruning 30 "$python" benchmarks/gpu.py pruning --device "$device" --batches $batches --out "$folder/pruning.json"
}

decoding() {
    part decoding 90 bash -c "
        $python -m mindrec_bench bench --model llada,llada:attention=prefix --decoder dbs-penalty,adaptive --size $size \
            --batch $list --device $device --out '$folder/decoding-llada.json'
        $python -m mindrec_bench bench --model llama3,tiger --decoder ar-beam --size $size \
            --batch $list --device $device --out '$folder/decoding-causal.json'"
}

training() {
    part training 100 "$python" benchmarks/gpu.py training --size "$size" --device "$device" --users "$users" \
        --steps "$steps" --batches $batches --out "$folder/training.json" ${MODELS:+--models $MODELS}
}

auto() { # a whole run: training, the batch size that is found, decoding
    part auto 60 "$python" -m mindrec_bench run --model llada:epochs=2 --decoder dbs-penalty --data "$data" --size "$size" \
        --device "$device" --runs-dir "$folder/runs"
}

llm() { # prompts read for every beam, at every r-th step and once; random weights of the paper's size, written once
    local shape=8b
    [ "$size" = tiny ] && shape=tiny
    part llm 400 bash -c "
        $python benchmarks/published_llm.py --shape $shape --folder '$folder/llm' --attention prefix --steps 40 --users 48 \
            --batch-size 16 --out '$folder'/llm-prefix.json
        $python benchmarks/published_llm.py --shape $shape --folder '$folder/llm' --refresh 7 2 --steps 40 --users 48 \
            --batch-size 16 --out '$folder'/llm-full.json"
    rm -rf "$folder/llm"
}

for name in "${@:-machine tests pruning training decoding auto llm}"; do
    for one in $name; do "$one"; done
done
rm -rf "$folder/runs"
