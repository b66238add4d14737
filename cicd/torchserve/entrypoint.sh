#!/bin/sh
# How the container starts: `serve` (what SageMaker passes, and the default) runs TorchServe in the foreground, anything else
# runs as it stands. /ping, /predictions/<model> and, for SageMaker, /invocations are TorchServe's own.
set -eu

if [ "${1:-serve}" != serve ]; then
    exec "$@"
fi
: "${MODEL_NAME:?expected the name of the model, the archive's name without .mar}"

# SageMaker unpacks a model.tar.gz here; an archive in it stands in for the image's.
store=${MODEL_STORE:-/home/model-server/model-store}
if [ -f "/opt/ml/model/$MODEL_NAME.mar" ]; then
    store=/opt/ml/model
fi
if [ ! -f "$store/$MODEL_NAME.mar" ]; then
    echo "$store/$MODEL_NAME.mar: no such file; expected the archive of MODEL_NAME" >&2
    exit 1
fi

# The first process of a container gets no default for SIGTERM, and TorchServe's launcher passes none on to Java.
stop() {
    trap '' TERM INT
    torchserve --stop || true
    # Until Java has ended, and with it the launcher: the container's end would cut its last answers off.
    wait "$server" || true
    exit 0
}
trap stop TERM INT

torchserve --start --foreground --no-config-snapshots \
    --ts-config "${TS_CONFIG_FILE:-/home/model-server/config.properties}" \
    --model-store "$store" --models "$MODEL_NAME=$MODEL_NAME.mar" &
server=$!
wait "$server" || true
# The launcher ends with 0 whatever became of the server; nobody asked this one to end.
echo "TorchServe ended by itself" >&2
exit 1
